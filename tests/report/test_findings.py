"""Findings of a report on made-up scores: which methods are averaged and which changes are not adjusted."""

from collections.abc import Callable

import numpy as np
import pytest
from made_scores import made_scores

from perturb.config import ExperimentConfig, MethodConfig
from perturb.datasets import grid_of
from perturb.report.build import _answers
from perturb.report.caveats import _how_many
from perturb.report.findings import Findings

KINDS = {"β-VAE": "beta_vae", "FactorVAE": "factor_vae", "AE": "autoencoder", "PCL": "pcl", "GAN": "weakly_supervised_gan"}
FALLS = {"original": 0.7, "modified": 0.3, "noise": 0.7, "untrained": 0.45}


@pytest.fixture
def found(tiny: ExperimentConfig) -> Callable[..., Findings]:
    """Factory of findings for given methods: ten seeds each, with the means in FALLS."""

    def make(*methods: str) -> Findings:
        chosen = tuple(MethodConfig(name=name, objective={"kind": KINDS[name]}) for name in methods)
        evaluation = tiny.evaluation.model_copy(update={"methods": chosen, "seeds": 10})
        findings = Findings(tiny.model_copy(update={"evaluation": evaluation}), grid_of(tiny.dataset), {})
        rng = np.random.default_rng(0)
        findings.__dict__["scores"] = [
            score
            for name in methods
            for variant, mean in FALLS.items()
            for score in made_scores(name, variant, *rng.normal(mean, 0.05, 10))
        ]
        return findings

    return make


def test_the_autoencoder_is_reported_separately(found: Callable[..., Findings]) -> None:
    findings = found(*KINDS)
    assert findings.groups == [("β-VAE", "FactorVAE"), ("PCL", "GAN"), ("AE",)]
    sentences = list(_answers(findings))
    assert sentences[0].startswith("Averaged over β-VAE and FactorVAE, MIG is 0.7")
    assert sentences[1].startswith("Averaged over PCL and GAN, MIG is 0.7")
    assert sentences[2].startswith("AE's MIG is 0.7")
    assert sentences[3].startswith("Averaged over β-VAE and FactorVAE, MIG changes by −0.2")
    assert sentences[4].startswith("Averaged over β-VAE and FactorVAE, training m_ψ changes MIG by −0.1")
    assert len(sentences) == 5


def test_an_evaluation_of_other_methods_has_one_group(tiny: ExperimentConfig) -> None:
    methods = (MethodConfig(name="VAE", objective={"kind": "vae"}), MethodConfig(name="DIP", objective={"kind": "dip_vae"}))
    evaluation = tiny.evaluation.model_copy(update={"methods": methods})
    findings = Findings(tiny.model_copy(update={"evaluation": evaluation}), grid_of(tiny.dataset), {})
    assert findings.groups == [("VAE", "DIP")]


def test_only_the_primary_contrasts_are_exempt_from_the_holm_adjustment(found: Callable[..., Findings]) -> None:
    findings = found("β-VAE", "FactorVAE", "PCL")
    alone = {(a.methods, a.first, a.second) for a in findings.averages if a.p_holm is None}
    both = ("β-VAE", "FactorVAE")
    assert alone == {(both, "modified", "original"), (both, "modified", "untrained")}
    assert alone == {(c.methods, c.first, c.second) for c in findings.primary}
    assert all(row.p_holm is not None for row in findings.rows if row.variant != "original")
    assert all(comparison.p_holm is not None for comparison in findings.comparisons)
    # 9 cells, 3 comparisons with the control, 2 averages of the two VAEs; PCL's averages are its cells.
    assert len(findings.family) == 14


def test_a_report_says_what_its_intervals_are_taken_over(tiny: ExperimentConfig) -> None:
    def told(draws: int | dict[str, int]) -> list[str]:
        evaluation = tiny.evaluation.model_copy(update={"draws": draws})
        return list(_how_many(tiny.model_copy(update={"evaluation": evaluation})))

    (one,) = told(1)
    assert (
        one == "One pattern per variant: intervals are over trainings on that pattern, and say nothing about other patterns."
    )
    (several,) = told(2)
    assert several.startswith("Independent patterns: 2 of modified and 2 of untrained.")
    mixed = told({"modified": 2})
    assert mixed[0].startswith("Independent patterns: 2 of modified.")
    assert mixed[1].startswith("One pattern of untrained: intervals")
