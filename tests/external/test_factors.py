"""How codes hold the factors, as evaluations measure, store and word it."""

from pathlib import Path

import numpy as np
import pytest
from small_entries import made_entry

from perturb.analysis.factor_directions import MOST_LATENTS, Held
from perturb.datasets import FactorGrid
from perturb.entries.entry import Entry, write_entry
from perturb.entries.rules import read_entry
from perturb.external.factors import factors_of_run, factors_sentence, factors_table
from perturb.metrics import Coded

GRID = FactorGrid(("hue", "size"), (10, 10))
FACTORS = GRID.factors_of(np.repeat(np.arange(100), 5))
OWN, ROTATED, CURVED, MISSING = (0.95, 0.99, 0.9), (0.5, 0.99, 0.9), (0.5, 0.7, 0.9), (0.0, 0.1, -0.02)


def _entry(**kinds: list[tuple[float, float, float]]) -> Entry:
    """An entry with two seeds; each variant's factors are held alike by both models."""
    value = made_entry(original=[0.6, 0.5], modified=[0.3, 0.2], noise=[0.6, 0.4]).model_dump()
    for run in value["runs"]:
        held = enumerate(kinds.get(run["variant"], []))
        run["factors"] = {f"factor {k}": dict(zip(("latent", "line", "readable"), n, strict=True)) for k, n in held} or None
    return Entry.model_validate(value)


def test_factors_are_measured_by_name_and_reproducibly() -> None:
    codes = FACTORS + np.random.default_rng(0).normal(scale=0.1, size=FACTORS.shape)
    found = factors_of_run(Coded(codes, FACTORS), GRID, seed=3)
    assert found is not None
    assert {name: held.kind for name, held in found.items()} == {"hue": "own latent", "size": "own latent"}
    assert found == factors_of_run(Coded(codes, FACTORS), GRID, seed=3)


@pytest.mark.parametrize(
    "codes", [np.ones((500, 2)), np.random.default_rng(0).normal(size=(500, MOST_LATENTS + 1))], ids=["constant", "wide"]
)
def test_codes_that_cannot_be_examined_are_left_out(codes: np.ndarray) -> None:
    assert factors_of_run(Coded(codes, FACTORS), GRID, seed=0) is None


def test_few_codes_are_not_examined() -> None:
    assert factors_of_run(Coded(np.arange(180.0).reshape(90, 2), FACTORS[::5][:90]), GRID, seed=0) is None


def test_extreme_codes_are_examined_like_others() -> None:
    for scale in (1e-300, 1e300):
        held = factors_of_run(Coded(FACTORS * scale, FACTORS), GRID, seed=0)
        assert held is not None
        assert held["hue"] == Held(1.0, 1.0, held["hue"].readable)


def test_the_sentence_names_each_variants_share_of_own_latents() -> None:
    entry = _entry(original=[OWN, OWN, OWN, ROTATED], modified=[ROTATED, ROTATED, CURVED, MISSING], noise=[OWN])
    assert factors_sentence(entry) == (
        "In the codes of Mine, 75% of the factors have a latent of their own on the original (25% rotated), 0% on the "
        "modified images (50% rotated, 25% curved and 25% missing) and 100% under noise of the same maximum."
    )
    assert factors_sentence(made_entry()) is None


def test_the_table_has_a_line_for_each_measured_variant() -> None:
    table = factors_table(_entry(original=[OWN, ROTATED], modified=[CURVED, MISSING]))
    assert table is not None
    assert [(name, [cell.text for cell in cells]) for name, cells in table.lines] == [
        ("original", ["50%", "50%", "0%", "0%", "2"]),
        ("modified", ["0%", "0%", "50%", "50%", "2"]),
    ]
    assert factors_table(made_entry()) is None


def test_entries_store_how_factors_are_held_and_entries_without_it_have_no_such_key(tmp_path: Path) -> None:
    entry = _entry(original=[OWN, MISSING])
    write_entry(tmp_path / "new.json", entry)
    assert read_entry(tmp_path / "new.json").runs[0].factors == entry.runs[0].factors
    write_entry(tmp_path / "old.json", made_entry())
    assert '"factors"' not in (tmp_path / "old.json").read_text()
