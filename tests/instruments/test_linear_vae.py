"""The instrument on Theorem 2: its table, its figure, and the verdict computed from the numbers."""

import re

import numpy as np
import pytest

from perturb.analysis.linear_training import training_of
from perturb.config import TrainingConfig
from perturb.instruments import linear_vae
from perturb.instruments.instrument import Answer, Settings
from perturb.instruments.linear_vae import AE, APART, CLOUDS, EQUAL, MODELS, VAE, Ends
from perturb.instruments.subject import Subjects


def _short(variance: float) -> TrainingConfig:
    return training_of(variance, steps=150, batch_size=64)


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> Answer:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear_vae, "training_of", _short)
        settings = Settings(folder=tmp_path_factory.mktemp("out"), seeds=2, seed=0)
        return linear_vae.answer(Subjects(kind="nothing"), settings)


def test_the_table_has_a_row_per_cloud_and_model_that_matches_the_numbers(answer: Answer) -> None:
    (table,) = answer.section.tables
    assert [name for name, _ in table.lines] == [f"{cloud}, {model}" for cloud in CLOUDS for model in MODELS]
    for (cloud, model), (_, cells) in zip([(c, m) for c in CLOUDS for m in MODELS], table.lines, strict=True):
        found = answer.numbers[cloud]["models"][model]
        assert np.shape(found["angles"]) == np.shape(found["lengths"]) == (2, 2)
        assert found["mean"] == pytest.approx(np.mean(found["angles"]))
        low, high = found["interval"]
        assert cells[0].text == f"{found['mean']:.1f}° ± {(high - low) / 2:.1f}°"
        assert [cell.text for cell in cells[1:]] == [f"{np.max(found[key]):.1f}°" for key in ("angles", "spaces")]


def test_the_figure_describes_its_four_panels_and_has_alt_text(answer: Answer) -> None:
    (picture,) = answer.section.figures
    assert min(picture.size) > 500
    assert all(f"({number})" in picture.caption for number in ("i", "ii", "iii", "iv"))
    assert picture.alt
    assert 20 < answer.numbers["sheet"]["axes_turned_by"] < 45


def _ends(*angles: float) -> Ends:
    return Ends(np.zeros((len(angles), 3, 2)), np.array(angles)[:, None].repeat(2, axis=1), np.zeros(len(angles)))


@pytest.mark.parametrize(
    ("vae", "ae", "held"),
    [
        ((0.4, 0.6, 0.5), (21.0, 25.0, 20.0), r"linear autoencoders 22\.0° ± \d+\.\d°, as Theorem 2 says"),
        ((0.4, 40.0, 0.5), (21.0, 25.0, 20.0), "which does not tell them apart"),
        ((21.0, 25.0, 20.0), (0.4, 0.6, 0.5), "which does not tell them apart"),
    ],
)
def test_the_verdict_depends_on_the_interval_of_the_difference(vae: tuple, ae: tuple, held: str) -> None:
    ends = {(APART, VAE): _ends(*vae), (APART, AE): _ends(*ae), (EQUAL, VAE): _ends(10.0, 20.0)}
    found = linear_vae._verdict(ends)
    assert f"linear VAEs end {np.mean(vae):.1f}°" in found
    assert re.search(held, found)
