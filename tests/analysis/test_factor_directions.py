"""Codes that hold two factors along latents, along other lines, along a curve, or not at all."""

import numpy as np
import pytest

from perturb.analysis.factor_directions import FEWEST, Held, explained_shares, held_by_name, held_factors
from perturb.datasets import FactorGrid

GRID = FactorGrid(("first", "second"), (24, 24))
FACTORS = GRID.factors_of(np.random.default_rng(0).integers(len(GRID), size=3_000))
STRAIGHT = (FACTORS + 0.5) / 24 - 0.5
TURN = np.array([[1.0, -1.0], [1.0, 1.0]]) / np.sqrt(2)


def _held(codes: np.ndarray, grid: FactorGrid = GRID) -> list[Held]:
    return held_factors(codes, FACTORS, grid, np.random.default_rng(1))


def _kinds(codes: np.ndarray) -> list[str]:
    return [held.kind for held in _held(codes)]


def test_factors_along_latents_are_found_there() -> None:
    for held in _held(STRAIGHT * [1.0, 3.0] + 7.0):
        assert (held.latent, held.line) == (pytest.approx(1), pytest.approx(1))
        assert held.readable > 0.9
        assert held.kind == "own latent"


def test_a_rotated_code_has_a_line_for_each_factor() -> None:
    for held in _held(STRAIGHT @ TURN):
        assert held.latent == pytest.approx(0.5, abs=0.05)
        assert held.line == pytest.approx(1)
        assert held.kind == "rotated"


def test_a_curved_code_has_no_line_but_can_be_read() -> None:
    radius, angle = STRAIGHT[:, 0] + 0.6, 2 * np.pi * STRAIGHT[:, 1]
    codes = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    for held in _held(codes):
        assert held.line < 0.9
        assert held.readable > 0.8
        assert held.kind == "curved"


def test_a_factor_that_no_latent_depends_on_is_missing() -> None:
    noise = np.random.default_rng(2).normal(size=len(FACTORS))
    assert _kinds(np.stack([STRAIGHT[:, 0], noise], axis=1)) == ["own latent", "missing"]


def test_unused_latents_are_left_out() -> None:
    faint = 0.01 * STRAIGHT[:, 1]
    assert _kinds(np.stack([STRAIGHT[:, 0], faint], axis=1)) == ["own latent", "missing"]


def test_the_order_of_classes_along_a_line_does_not_matter() -> None:
    """A hue circle may be cut anywhere."""
    cut = np.stack([np.roll(np.arange(24), 7)[FACTORS[:, 0]], FACTORS[:, 1]], axis=1)
    first, second = _held(cut.astype(float))
    assert first.latent == pytest.approx(1)
    assert first.readable == pytest.approx(second.readable, abs=0.03)


def test_neighbours_share_an_unordered_factor_or_not() -> None:
    unordered = FactorGrid(GRID.names, GRID.sizes, ("first",))
    ordered, without = (_held(STRAIGHT * [1.0, 0.3], grid)[0].readable for grid in (GRID, unordered))
    assert 0 < without < ordered


def test_a_factor_with_a_single_class_is_missing() -> None:
    constant = np.stack([FACTORS[:, 0], np.zeros(len(FACTORS), dtype=int)], axis=1)
    first, second = held_factors(STRAIGHT, constant, FactorGrid(GRID.names, (24, 1)), np.random.default_rng(1))
    assert (first.kind, second.kind) == ("own latent", "missing")
    assert second == Held(pytest.approx(0), pytest.approx(0), 0.0)


def test_latents_may_depend_on_each_other() -> None:
    first, second = _held(np.concatenate([STRAIGHT @ TURN, STRAIGHT[:, :1], STRAIGHT.sum(axis=1, keepdims=True)], axis=1))
    assert (first.kind, second.kind) == ("own latent", "rotated")
    assert second.line == pytest.approx(1)


def test_shares_agree_with_those_of_single_columns() -> None:
    codes, classes = np.random.default_rng(3).normal(size=(500, 3)), FACTORS[:500, 0] % 3
    latent, line = explained_shares(codes, classes)
    within = sum(codes[classes == k].var(axis=0) * (classes == k).mean() for k in range(3))
    assert latent == pytest.approx((1 - within / codes.var(axis=0)).max())
    assert latent <= line <= 1


def test_too_few_images_are_not_measured() -> None:
    rng, few = np.random.default_rng(0), slice(FEWEST - 1)
    assert held_by_name(STRAIGHT[few], FACTORS[few], GRID, rng) is None
    assert held_by_name(STRAIGHT[:FEWEST], FACTORS[:FEWEST], GRID, rng) is not None
