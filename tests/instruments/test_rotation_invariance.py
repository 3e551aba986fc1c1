"""The instrument on Propositions 1 to 3: its verdict agrees with its numbers and can be negative."""

import numpy as np
import pytest

from perturb.instruments import rotation_invariance
from perturb.instruments.instrument import Answer, Settings
from perturb.instruments.rotation_invariance import DIAGONAL, EVIDENCE, WHOLE
from perturb.instruments.subject import Subjects


@pytest.fixture
def answer(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Answer:
    monkeypatch.setattr(rotation_invariance, "ANGLES", np.array([0.0, 30.0, 90.0]))
    monkeypatch.setattr(rotation_invariance, "IMAGES", 3)
    monkeypatch.setattr(rotation_invariance, "MATRICES", 20)
    folder = tmp_path_factory.mktemp("out")
    return rotation_invariance.answer(Subjects(kind="nothing"), Settings(folder=folder, seeds=2, seed=0))


def test_only_a_diagonal_posterior_depends_on_the_angle_and_a_right_angle_changes_nothing(answer: Answer) -> None:
    for curves in answer.numbers["curves"]:
        assert np.ptp(curves[EVIDENCE]) < 1e-6
        assert np.ptp(curves[WHOLE]) < 1e-6
        start, turned, right = curves[DIAGONAL]
        assert abs(turned - start) > 1e-3
        assert right == pytest.approx(start, abs=1e-9)
    assert "as Propositions 2 and 3 say" in answer.verdict


def test_a_change_larger_than_rounding_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setattr(rotation_invariance, "NOTHING", 0.0)
    monkeypatch.setattr(rotation_invariance, "ANGLES", np.array([0.0, 30.0]))
    monkeypatch.setattr(rotation_invariance, "MATRICES", 5)
    settings = Settings(folder=tmp_path_factory.mktemp("out"), seeds=2, seed=0)
    assert "against Propositions" in rotation_invariance.answer(Subjects(kind="nothing"), settings).verdict


def test_the_kinds_of_matrices_are_distinguished(answer: Answer) -> None:
    kinds = answer.numbers["matrices"]
    assert kinds[rotation_invariance.DISTINCT]["mixings"][1] < 1e-12
    assert kinds[rotation_invariance.RANDOM]["mixings"][0] > 1e-3
    assert kinds[rotation_invariance.EQUAL]["cosines"][1] < 1e-12 < kinds[rotation_invariance.EQUAL]["mixings"][1]
