"""Codes stored for the originals, and the cost of their axes on the images of each variant."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_entries import made_entry

from perturb.datasets.ground_truth import FactorGrid
from perturb.entries.entry import AxesOfRun, Entry, write_entry
from perturb.entries.rules import read_entry
from perturb.external.axes import CODES, MOST_MODELS, keep, look
from perturb.external.axes_shown import axes_sentence, axes_table, draw_axes
from perturb.files import sha256_of
from perturb.manifests import write_manifest
from perturb.metrics import Coded

GRID = FactorGrid(("left", "right"), (16, 16))
FACTORS = GRID.factors_of(np.arange(len(GRID)))


class Halves:
    """Stand-in for a benchmark file: the grey level of each half of an image is a function of the two factors."""

    grid = GRID

    def __init__(self, name: str, left: Callable, right: Callable, side: int = 32) -> None:
        self.path, self.image_shape, self._halves = Path(name), (side, side, 1), (left, right)

    def images(self, numbers: np.ndarray) -> np.ndarray:
        """uint8 (n, side, side, 1)."""
        a, b = GRID.factors_of(numbers).T
        grey = np.stack([half(a, b) for half in self._halves], axis=1).astype(np.uint8)
        side = self.image_shape[0]
        return np.repeat(np.repeat(grey[:, None, :], side // 2, axis=2), side, axis=1)[..., None]


ORIGINAL = Halves("original", lambda a, b: 40 + 12 * a, lambda a, b: 40 + 6 * b)
MIXED = Halves("modified", lambda a, b: 40 + 7 * (a + b), lambda a, b: 100 + 3 * (a - b))
SQUARE = (16**2 - 1) / 12 / 255**2 * 32 * 16
"""Squared change of half an image per standard deviation of a factor that moves it by one grey level a step."""
IMAGES = {("original", 0): ORIGINAL, ("modified", 0): MIXED}


def _finished_run(folder: Path, codes: np.ndarray) -> Path:
    """Write the folder of a finished run with the codes of all images."""
    folder.mkdir()
    assert keep(folder, Coded(codes, FACTORS), np.arange(len(GRID)), seed=0) is None
    path = folder / CODES
    write_manifest(folder, {"id": folder.name, "files": {CODES: {"bytes": path.stat().st_size, "sha256": sha256_of(path)}}})
    return folder


def test_images_that_mix_the_latents_make_turned_axes_cheaper(tmp_path: Path) -> None:
    found = look({0: _finished_run(tmp_path / "run", FACTORS * [3.0, 1.0])}, IMAGES, refused={}, seed=0).found
    original, modified = found["original", 0], found["modified", 0]
    assert original.saving == pytest.approx(0, abs=0.01)
    assert (modified.images, modified.latents) == (256, 2)
    # G has (7² + 3²) times the square on its diagonal and (7² − 3²) times it off the diagonal.
    own, beside = 3 + 58 * SQUARE, 40 * SQUARE
    assert modified.saving == pytest.approx(-math.log(1 - (beside / own) ** 2) / 2, rel=0.2)
    assert modified.angle == pytest.approx(45, abs=5)
    assert modified.saving_whole == pytest.approx(modified.saving, abs=0.01)


def test_changes_outside_the_original_directions_count_only_in_the_whole_image(tmp_path: Path) -> None:
    class Tilted(Halves):
        """Images of `Halves` with the sum of both factors added to the upper half and subtracted from the lower half."""

        def images(self, numbers: np.ndarray) -> np.ndarray:
            found, tilt = super().images(numbers), (3 * FACTORS[numbers].sum(axis=1))[:, None, None, None].astype(np.uint8)
            found[:, :16] += tilt
            found[:, 16:] -= tilt
            return found

    original = Halves("original", lambda a, b: 110 + 3 * a, lambda a, b: 110 + 2 * b)
    tilted = Tilted("modified", *original._halves)
    run = _finished_run(tmp_path / "run", FACTORS)
    found = look({0: run}, {("original", 0): original, ("modified", 0): tilted}, refused={}, seed=0).found
    assert found["modified", 0].saving == pytest.approx(0, abs=0.01)
    assert found["modified", 0].saving_whole > 0.05


@pytest.mark.parametrize(
    ("codes", "reason"),
    [
        (FACTORS[:, :1], "turning compares axes and needs at least 2 latents in use, got 1"),
        (FACTORS * [1.0, 0.1], "turning compares axes and needs at least 2 latents in use, got 1"),
        (np.random.default_rng(0).normal(size=(256, 21)), "slopes are fitted in codes of 20 latents in use at most, got 21"),
        (np.zeros((256, 1_001)), "slopes are fitted in codes of few latents, and there are 1,001"),
    ],
    ids=["one", "one in use", "many", "very many"],
)
def test_codes_to_which_no_slopes_can_be_fitted_are_not_stored(codes: np.ndarray, reason: str, tmp_path: Path) -> None:
    assert keep(tmp_path, Coded(codes, FACTORS), np.arange(256), seed=0) == reason
    assert list(tmp_path.iterdir()) == []


def test_codes_of_fewer_than_100_images_are_not_stored(tmp_path: Path) -> None:
    coded = Coded(FACTORS[:99], FACTORS[:99])
    assert keep(tmp_path, coded, np.arange(99), seed=0) == (
        "slopes are fitted to the codes of 100 images or more, and there are 99"
    )


def test_a_model_whose_axes_cannot_be_measured_is_reported_and_the_others_are_measured(tmp_path: Path) -> None:
    runs = {number: _finished_run(tmp_path / str(number), FACTORS) for number in range(4)}
    (runs[1] / CODES).write_bytes(b"damaged")
    write_manifest(runs[2], {"id": "2", "files": {}})
    images = {(variant, number): file for (variant, _), file in IMAGES.items() for number in runs}
    found = look(runs, images, refused={3: "no reason"}, seed=0)
    assert {number for _, number in found.found} == {0}
    assert found.missing[1].startswith(f"{runs[1]}/{CODES} ")
    assert found.missing[2] == "its run on the originals was finished by a perturb that kept no codes"
    assert found.missing[3] == "no reason"


def test_images_that_cannot_be_pooled_are_reported(tmp_path: Path) -> None:
    odd = {key: Halves(file.path.name, *file._halves, side=12) for key, file in IMAGES.items()}
    found = look({0: _finished_run(tmp_path / "run", FACTORS)}, odd, refused={}, seed=0)
    assert (found.found, found.missing) == ({}, {0: "images are pooled to 8 × 8 cells, and these have 12 × 12 pixels"})


def test_only_the_first_models_are_measured_when_there_are_many_seeds(tmp_path: Path) -> None:
    run = _finished_run(tmp_path / "run", FACTORS)
    seeds = range(MOST_MODELS + 5)
    found = look(dict.fromkeys(seeds, run), {("original", k): ORIGINAL for k in seeds}, refused={}, seed=0)
    assert len(found.found) == MOST_MODELS
    assert found.missing == {}


def _entry(**savings: float) -> Entry:
    """An entry with two seeds whose measured savings differ by 0.1 nats."""
    value = made_entry(original=[0.6, 0.5], modified=[0.3, 0.2], noise=[0.6, 0.4]).model_dump()
    value["runs"] = tuple(
        run
        | (
            {}
            if run["variant"] not in savings
            else {
                "axes": {
                    "images": 2_000, "latents": 4, "price": 3.0, "saving": savings[run["variant"]] + 0.1 * run["seed"],
                    "saving_whole": 2 * savings[run["variant"]], "angle": 40.0 + run["seed"],
                }
            }
        )
        for run in value["runs"]
    )  # fmt: skip
    return Entry.model_validate(value)


def test_the_axes_sentence_states_what_each_variant_adds_to_the_original_images() -> None:
    assert axes_sentence(_entry(original=0.0, modified=0.43, noise=-0.0)) == (
        "Other axes than those of Mine would be 0.05 nats per unit of β cheaper for a VAE on the original, 0.48 (+0.43) on "
        "the modified images and 0.05 (+0.00) under noise of the same maximum."
    )
    assert axes_sentence(made_entry()) is None


def test_the_axes_table_has_means_over_models_and_states_its_limits() -> None:
    table = axes_table(_entry(original=0.0, modified=0.43))
    assert [(name, [cell.text for cell in cells]) for name, cells in table.lines] == [
        ("original", ["0.05 ± 0.07", "0.00 ± 0.00", "40°", "2"]),
        ("modified", ["0.48 ± 0.07", "0.86 ± 0.00", "40°", "2"]),
    ]
    assert "does not say that this model turns its axes" in table.note


def test_an_outdated_axes_figure_is_removed_when_nothing_was_measured(tmp_path: Path) -> None:
    draw_axes(tmp_path / "axes.png", _entry(original=0.0, modified=0.43))
    assert (tmp_path / "axes.png").stat().st_size > 5_000
    draw_axes(tmp_path / "axes.png", made_entry())
    assert list(tmp_path.iterdir()) == []


def test_entries_store_the_measured_axes_and_entries_without_them_have_no_such_key(tmp_path: Path) -> None:
    write_entry(tmp_path / "new.json", _entry(original=0.1))
    assert read_entry(tmp_path / "new.json").runs[0].axes == AxesOfRun(
        images=2_000, latents=4, price=3.0, saving=0.1, saving_whole=0.2, angle=40.0
    )
    write_entry(tmp_path / "old.json", made_entry())
    assert '"axes"' not in (tmp_path / "old.json").read_text()
