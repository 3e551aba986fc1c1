"""Suggestions for misspelled names."""

import pytest

from perturb.errors import guess, not_among


@pytest.mark.parametrize(
    ("given", "known", "meant"),
    [
        ("seed", ["seeds", "variants"], "seeds"),
        ("betaVAE", ["AE", "β-VAE", "FactorVAE"], "β-VAE"),
        ("Factor VAE", ["AE", "β-VAE", "FactorVAE"], "FactorVAE"),
        ("benchmark_file", ["perturbation", "benchmark files"], "benchmark files"),
        ("β_tc_vae", ["beta_vae", "beta_tc_vae"], "beta_tc_vae"),
    ],
)
def test_a_similar_name_is_suggested(given: str, known: list[str], meant: str) -> None:
    assert guess(given, known) == f" (did you mean {meant}?)"


@pytest.mark.parametrize("given", ["", "…", "colour", "x" * 10_000_000])
def test_no_name_is_suggested_without_a_similar_one(given: str) -> None:
    assert guess(given, ["seeds", "variants"]) == ""


def test_the_sentence_lists_the_known_names() -> None:
    assert not_among(["mag", "dc"], ["mig", "dci"]) == "must be among mig, dci; got mag, dc (did you mean mig?)"
