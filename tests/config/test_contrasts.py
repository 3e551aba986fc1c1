"""Primary contrasts: declarations, defaults and refusals."""

from pathlib import Path

import pytest

from perturb.config import ContrastConfig, ExperimentConfig, config_hash, load_experiment, with_methods
from perturb.errors import UserError

FIRST_METHOD = "[[evaluation.methods]]"


def _declared(path: Path, *contrasts: str) -> Path:
    """Add contrasts to the tiny experiment."""
    text = path.read_text(encoding="utf-8")
    sections = "".join(f"[[evaluation.contrasts]]\n{contrast}\n\n" for contrast in contrasts)
    path.write_text(text.replace(FIRST_METHOD, sections + FIRST_METHOD, 1), encoding="utf-8")
    return path


def test_by_default_the_thesis_vaes_are_contrasted_with_the_original_and_the_control(tiny: ExperimentConfig) -> None:
    assert tiny.evaluation.primary == (
        ContrastConfig(first="modified", second="original", methods=("β-VAE",), metric="mig"),
        ContrastConfig(first="modified", second="untrained", methods=("β-VAE",), metric="mig"),
    )


def test_default_contrasts_are_limited_to_the_evaluations_variants(tiny_toml: Path) -> None:
    config = load_experiment(tiny_toml, ['evaluation.variants=["original", "modified"]'])
    assert [(contrast.first, contrast.second) for contrast in config.evaluation.primary] == [("modified", "original")]


def test_without_the_thesis_vaes_there_is_no_default_contrast(tiny: ExperimentConfig) -> None:
    assert with_methods(tiny, ["AE"]).evaluation.primary == ()


def test_declared_contrasts_replace_the_defaults(tiny_toml: Path, tiny: ExperimentConfig) -> None:
    path = _declared(
        tiny_toml, 'first = "noise"\nsecond = "original"', 'first = "noise"\nsecond = "modified"\nmethods = ["AE"]'
    )
    config = load_experiment(path)
    assert config.evaluation.primary == (
        ContrastConfig(first="noise", second="original", methods=("β-VAE",), metric="mig"),
        ContrastConfig(first="noise", second="modified", methods=("AE",), metric="mig"),
    )
    assert config_hash(config) != config_hash(tiny)
    assert [c.methods for c in with_methods(config, ["AE"]).evaluation.primary] == [("AE",)]


def test_an_experiment_may_have_no_contrasts(tiny_toml: Path) -> None:
    assert load_experiment(tiny_toml, ["evaluation.contrasts=[]"]).evaluation.primary == ()


@pytest.mark.parametrize(
    ("contrasts", "message"),
    [
        (['first = "nosie"\nsecond = "original"'], "first must be among original, modified, noise, untrained; got nosie"),
        (['first = "noise"\nsecond = "literal"'], "second must be among original, modified, noise, untrained; got literal"),
        (['first = "noise"\nsecond = "noise"'], "first and second must differ; both are noise"),
        (['first = "noise"\nsecond = "original"\nmethods = ["VAE"]'], "methods must be among β-VAE, AE; got VAE"),
        (['first = "noise"\nsecond = "original"\nmethods = ["AE", "AE"]'], "methods must name each once; got AE, AE"),
        (['first = "noise"\nsecond = "original"\nmetric = "dci"'], "metric must be among mig; got dci"),
        (2 * ['first = "noise"\nsecond = "original"'], "evaluation.contrasts must name each contrast once"),
    ],
    ids=["first", "second", "same", "methods", "method twice", "metric", "twice"],
)
def test_invalid_contrasts_are_refused_in_one_sentence(tiny_toml: Path, contrasts: list[str], message: str) -> None:
    with pytest.raises(UserError) as caught:
        load_experiment(_declared(tiny_toml, *contrasts))
    assert message in str(caught.value)
    assert "evaluation.contrasts" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_the_thesis_vaes_a_contrast_must_name_its_methods(tiny_toml: Path) -> None:
    path = _declared(tiny_toml, 'first = "noise"\nsecond = "original"')
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('{ kind = "beta_vae", beta = 4.0 }', '{ kind = "pcl" }'), encoding="utf-8")
    with pytest.raises(UserError, match="noise − original must name its methods, because the evaluation has none of the"):
        load_experiment(path)
