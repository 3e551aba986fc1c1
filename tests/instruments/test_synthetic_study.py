"""The synthetic study: its tables, its figure, and the verdict computed from the numbers."""

import numpy as np
import pytest

from perturb.analysis.vector_study import Measured
from perturb.instruments import synthetic_study
from perturb.instruments.instrument import Answer, Settings
from perturb.instruments.subject import Subjects
from perturb.instruments.synthetic_study import AE, BETA, FULL, LINEAR, NOISES, NONLINEAR, RANDOM, RATIOS, VAE, Study


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> Answer:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthetic_study, "STEPS", 20)
        patch.setattr(synthetic_study, "STRANGERS", 10)
        settings = Settings(folder=tmp_path_factory.mktemp("out"), seeds=2, seed=0)
        return synthetic_study.answer(Subjects(kind="nothing"), settings)


def test_the_tables_show_the_thesis_numbers_beside_the_measured_ones(answer: Answer) -> None:
    main, ratios = answer.section.tables
    assert [name for name, _ in main.lines] == [f"{name}, {key}" for name in (LINEAR, NONLINEAR) for key in ("DS", "DtO")]
    assert main.columns == (*NOISES, RANDOM)
    distances = answer.numbers[LINEAR][FULL]["dto"]
    cell = dict(main.lines)[f"{LINEAR}, DtO"][main.columns.index(FULL)]
    assert cell.text == f"{np.mean(distances):.2f} ± {np.std(distances, ddof=1):.2f}"
    assert (cell.beside, cell.source) == ("0.34 ± 0.35", "thesis")
    assert ratios.columns == ("1.0", "1.2", "1.5")
    assert [cell.beside for cell in dict(ratios.lines)["DS"]] == ["0.51 ± 0.28", "0.76 ± 0.25", "0.98 ± 0.06"]


def test_linear_models_converge_as_the_theory_predicts(answer: Answer) -> None:
    found = answer.numbers[LINEAR]
    assert max(found[BETA]["dto"]) < 1e-3 < 0.05 < min(found[FULL]["dto"] + found[AE]["dto"])
    assert min(found[BETA]["ds"]) > 0.97
    assert found[VAE] == {"dto": [None] * 2, "ds": [None] * 2, "active": [0, 0]}
    assert set(answer.numbers["ratios"]) == {f"{ratio:.1f}" for ratio in RATIOS}
    assert max(answer.numbers["ratios"]["1.5"]["dto"]) < 1e-3
    assert np.shape(answer.numbers["factors_dto"]) == (2,)


def test_the_figures_alt_text_contains_the_verdict(answer: Answer) -> None:
    (picture,) = answer.section.figures
    assert min(picture.size) > 400
    assert answer.verdict in picture.alt


def _measured(*distances: float) -> Measured:
    values = np.array(distances)
    return Measured(values, 1 - values, np.ones((len(values), 2), bool))


@pytest.mark.parametrize(
    ("full", "autoencoder", "said"),
    [
        ((0.5, 0.6, 0.7), (0.4, 0.5, 0.6), "0.02 ± 0.01 (β-VAE_Σ 0.60 ± 0.10 and AE 0.50 ± 0.10), less than both, as the"),
        ((0.5, 0.6, 0.7), (0.0, 0.0, 0.9), "less than β-VAE_Σ's alone"),
        ((0.0, 0.0, 0.9), (0.0, 0.0, 0.9), "which does not tell them apart"),
        ((np.nan, np.nan, np.nan), (0.0, 0.0, 0.0), "which does not tell them apart"),
    ],
)
def test_the_verdict_depends_on_the_intervals_of_the_differences(full: tuple, autoencoder: tuple, said: str) -> None:
    found = {BETA: _measured(0.01, 0.02, 0.03), FULL: _measured(*full), AE: _measured(*autoencoder), RANDOM: _measured(0.9)}
    study = Study(main={LINEAR: found}, ratios={"1.0": _measured(0.1, 0.5, 0.9)}, factors=[])
    verdict = synthetic_study._verdict(study)
    assert said in verdict
    assert "ratio 1.0" in verdict
    assert "0.50 ± 0.40" in verdict
