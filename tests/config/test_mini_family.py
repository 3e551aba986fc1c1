"""The configs of the mini scene share what they claim to share, so that nothing is trained twice."""

from pathlib import Path

import pytest

from perturb.config import ExperimentConfig, load_experiment

CONFIGS = Path(__file__).parent.parent.parent / "configs"
STUDY = load_experiment(CONFIGS / "mini.toml")
FAMILY = (
    "mini_more", "mini_gan", "mini_controls", "mini_epsilon", "mini_forms", "mini_settings", "mini_span", "mini_pcl",
    "mini_longer",
)  # fmt: skip


def _shared(config: ExperimentConfig) -> dict[str, object]:
    """The settings that restarts and originals depend on."""
    return config.model_dump(include={"seed", "dataset", "training", "restarts", "selection"})


@pytest.mark.parametrize("name", FAMILY)
def test_restarts_and_originals_are_the_studys(name: str) -> None:
    assert _shared(load_experiment(CONFIGS / f"{name}.toml")) == _shared(STUDY)


@pytest.mark.parametrize("name", FAMILY)
def test_the_main_pattern_is_the_studys_except_for_epsilon(name: str) -> None:
    config = load_experiment(CONFIGS / f"{name}.toml")
    expected = STUDY.perturbation.model_copy(update={"epsilon": 0.125} if name in ("mini_epsilon", "mini_span") else {})
    assert config.perturbation == expected


@pytest.mark.parametrize("name", FAMILY)
def test_methods_with_the_same_name_have_the_same_objective(name: str) -> None:
    study = {method.name: method.objective for method in STUDY.evaluation.methods}
    shared = [m for m in load_experiment(CONFIGS / f"{name}.toml").evaluation.methods if m.name in study]
    assert bool(shared) == (name not in ("mini_more", "mini_gan", "mini_pcl", "mini_longer"))
    assert all(method.objective == study[method.name] for method in shared)


def test_every_form_is_trained_on_about_the_same_number_of_images() -> None:
    images = {
        name: form.steps * {"residual": form.batch_size, "literal_exact": 4096}.get(form.form, form.alignment.points)
        for name, form in load_experiment(CONFIGS / "mini_forms.toml").alternatives.items()
    }
    assert all(299_000 < number <= 300_100 for number in images.values()), images
