"""The instrument on β as the likelihood variance: short trainings and the verdict computed from the numbers."""

import re

import numpy as np
import pytest

from perturb.analysis.gaussian_vaes import Bounds
from perturb.instruments import likelihood_variance
from perturb.instruments.instrument import Answer, Settings
from perturb.instruments.likelihood_variance import BETAS, CLOUD, CURVED, FALLING, LINEAR, POSTERIORS, Columns, Twins
from perturb.instruments.subject import Subjects


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> Answer:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(likelihood_variance, "STEPS", {LINEAR: 10, CURVED: 10})
        patch.setattr(likelihood_variance, "POINTS", 20)
        settings = Settings(folder=tmp_path_factory.mktemp("out"), seeds=2, seed=0)
        return likelihood_variance.answer(Subjects(kind="nothing"), settings)


def test_equivalent_vaes_differ_only_by_rounding_and_the_control_by_more(answer: Answer) -> None:
    for name in (LINEAR, CURVED):
        found = answer.numbers[f"{name} decoder"]
        assert list(found["differences"]) == list(BETAS)
        assert np.max(list(found["differences"].values())) < 1e-4 < 1e-3 < np.min(found["control"])
    assert "β-VAEs and VAEs of the variance β σ² differ by at most" in answer.verdict


def test_every_posterior_has_its_bounds_and_decoder_columns(answer: Answer) -> None:
    for name in (LINEAR, CURVED):
        for posterior in POSTERIORS:
            found = answer.numbers[f"{name} decoder"][posterior]
            assert found["steps"] == [1, 3, 10]
            assert np.shape(found["cosines"]) == (3, 2)
            assert (np.array(found["full"]) >= np.array(found["diagonal"])).all()
    for posterior in POSTERIORS:
        found = answer.numbers[f"{LINEAR} decoder"][posterior]
        assert np.abs(np.subtract(found["sampled"], found["encoder"])).max() < 5 * np.max(found["error"])
        assert np.max(found["full"]) < answer.numbers["linear_optimum"]


def test_units_are_expected_to_be_pruned_one_after_another(answer: Answer) -> None:
    pruning = answer.numbers["pruning"]
    assert np.shape(pruning["found"]) == (len(FALLING), 2, len(CLOUD))
    assert [(np.array(row) < 1).sum() for row in pruning["expected"]] == list(range(len(FALLING)))


def test_the_figure_has_alt_text_about_the_posterior_variance(answer: Answer) -> None:
    (picture,) = answer.section.figures
    assert min(picture.size) > 500
    assert "posterior variance" in picture.alt


def test_the_verdict_counts_models_and_reports_the_worst_case() -> None:
    twins = {LINEAR: Twins({"4": np.array([[1e-7, 2e-6], [0.0, 0.0]])}, np.array([[0.4, 0.3], [0.5, 0.6]]))}
    nothing = Bounds(*np.zeros((5, 2)))
    columns = {
        (name, posterior): Columns(np.array([1, 2]), np.array([[0.9, 0.9], ends]), nothing)
        for name, posterior, ends in (
            (LINEAR, "diagonal", [0.0, 0.1]),
            (LINEAR, "full", [0.5, 0.7]),
            (CURVED, "diagonal", [0.2, 0.2]),
            (CURVED, "full", [0.4, 0.4]),
        )
    }
    expected = np.array([[0.3, 1.0], [0.1, 0.2]])
    found = np.array([[[0.31, 0.99], [0.9, 1.0]], [[0.1, 0.2], [0.1, 0.21]]])
    said = likelihood_variance._verdict(twins, columns, found, expected)
    assert re.search(r"at most 2\.0e-06 .* another variance by 0\.30 or more", said)
    assert "0.05 and 0.60 for linear decoders; 0.20 and 0.40 for non-linear decoders" in said
    assert "in 3 of 4 linear VAEs: 0.5 of 2 units are used at β = 1, and 2.0 at β = 1/16" in said
