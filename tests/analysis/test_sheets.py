"""Sheets in space: derivatives, the size of a ripple, and how it turns the axes."""

import numpy as np
import pytest

from perturb.analysis.sheets import Sheet, turned_by

POINTS = np.random.default_rng(0).uniform(-1, 1, (40, 2))
SMOOTH, RIPPLED = Sheet(), Sheet(ripple=0.1)


@pytest.mark.parametrize("sheet", [SMOOTH, RIPPLED])
def test_the_jacobian_is_that_of_the_embedding(sheet: Sheet) -> None:
    step = 1e-6
    for axis in range(2):
        ahead, behind = (sheet.embedded(POINTS + sign * step * np.eye(2)[axis]) for sign in (1, -1))
        assert np.allclose((ahead - behind) / (2 * step), sheet.jacobian(POINTS)[..., axis], atol=1e-7)


def test_a_ripple_moves_no_point_farther_than_its_size() -> None:
    moves = np.linalg.norm(RIPPLED.embedded(POINTS) - SMOOTH.embedded(POINTS), axis=1)
    assert 0.09 < moves.max() <= 0.1


def test_the_metric_is_the_mean_over_the_waves_of_the_ripple() -> None:
    """The mean is taken over whole waves along the diagonal of a flat sheet."""
    flat = Sheet(bend=0.0, ripple=0.1)
    along = np.linspace(0, 2 * np.pi / flat.waves, 1000, endpoint=False)
    jacobians = flat.jacobian(along[:, None] * np.full(2, 1 / np.sqrt(2)))
    assert np.allclose((jacobians.swapaxes(1, 2) @ jacobians).mean(axis=0), flat.metric(np.zeros(2)))


def test_local_axes_are_those_of_the_square_and_turn_towards_its_diagonal_with_the_ripple() -> None:
    centre = np.zeros((1, 2))
    assert np.allclose(np.abs(SMOOTH.local_axes(centre)[0]), np.eye(2))
    assert turned_by(SMOOTH.local_axes(centre), SMOOTH.local_axes(centre)) == pytest.approx(0.0, abs=1e-6)
    angles = [turned_by(SMOOTH.local_axes(centre), Sheet(ripple=0.1, waves=k).local_axes(centre))[0] for k in (1, 14, 1e4)]
    gain, surplus = (0.1 * 14) ** 2 / 4, 1.4**2 - 1
    assert angles[1] == pytest.approx(np.degrees(0.5 * np.arctan2(2 * gain, surplus)))
    assert angles[0] < 1
    assert angles[2] == pytest.approx(45, abs=0.01)
