import numpy as np
import pytest

from perturb.metrics.agreement import pairwise_agreement

CODES = np.random.default_rng(0).normal(size=(2000, 4))
ACTIVE = np.ones(4)


def _of(first: np.ndarray, second: np.ndarray, kl: np.ndarray = ACTIVE) -> tuple[float, float]:
    (found,) = pairwise_agreement([first, second], [ACTIVE, kl])
    return found.axes, found.rotated


def test_codes_that_differ_in_order_sign_scale_and_offset_agree() -> None:
    axes, rotated = _of(CODES, 3 * CODES[:, [2, 0, 3, 1]] * [1, -1, 1, -1] + 5)
    assert axes > 0.85
    assert rotated == pytest.approx(1, abs=1e-2)


def test_a_rotated_code_agrees_only_after_it_is_rotated_back() -> None:
    turn = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2
    axes, rotated = _of(CODES, CODES @ turn)
    assert axes < 0.5
    assert rotated == pytest.approx(1, abs=1e-2)


def test_unrelated_codes_do_not_agree() -> None:
    axes, rotated = _of(CODES, np.random.default_rng(1).normal(size=CODES.shape))
    assert axes < 0.1
    assert rotated < 0.05


def test_uninformative_latents_are_left_out() -> None:
    half = np.array([1, 1, 0, 0])
    assert _of(CODES, CODES, half)[1] == pytest.approx(0.5, abs=0.02)
    assert _of(CODES, CODES, np.zeros(4)) == (0, 0)
    assert len(pairwise_agreement([CODES] * 3, [ACTIVE] * 3)) == 3
    assert pairwise_agreement([CODES], [ACTIVE]) == []
