"""The same experiment with fewer steps and trainings."""

from pathlib import Path

import pytest
from changed_configs import differences, replaced

from perturb.config import ExperimentConfig, load_experiment, scaled_down
from perturb.errors import UserError

AUTOENCODER = 'objective = { kind = "autoencoder" }'


def test_a_budget_changes_only_steps_and_counts(tiny_toml: Path) -> None:
    replaced(tiny_toml, AUTOENCODER, f'{AUTOENCODER}\ntraining = {{ architecture = "conv32", steps = 40 }}')
    replaced(tiny_toml, 'action = "warn"', 'action = "fail"')
    replaced(tiny_toml, "num = 2", "num = 20")
    replaced(tiny_toml, "seeds = 2", "seeds = 10")
    config = load_experiment(tiny_toml)
    assert differences(config, scaled_down(config, 0.5)) == {
        "training.steps": 6,
        "training.checkpoint_every": 2,
        "restarts.num": 10,
        "perturbation.steps": 3,
        "evaluation.seeds": 5,
        "evaluation.methods.1.training.steps": 20,
        "evaluation.methods.1.training.checkpoint_every": 2_500,
    }


def test_a_budget_stops_at_the_smallest_sensible_values(tiny_toml: Path) -> None:
    replaced(tiny_toml, "num = 2", "num = 20")
    config = load_experiment(replaced(tiny_toml, "[selection]", "[selection]\nkeep = 3"))
    small = scaled_down(config, 1e-6)
    assert (small.training.steps, small.training.checkpoint_every, small.perturbation.steps) == (1, 1, 1)
    assert (small.restarts.num, small.selection.keep, small.evaluation.seeds) == (4, 1, 2)
    assert ExperimentConfig.model_validate_json(small.model_dump_json()) == small


def test_a_full_budget_changes_nothing(tiny: ExperimentConfig) -> None:
    assert scaled_down(tiny, 1) == tiny


@pytest.mark.parametrize(("budget", "given"), [(0, "0"), (-0.5, "-0.5"), (1.01, "1.01"), (float("nan"), "nan")])
def test_a_budget_out_of_range_is_refused(tiny: ExperimentConfig, budget: float, given: str) -> None:
    with pytest.raises(UserError) as caught:
        scaled_down(tiny, budget)
    assert str(caught.value) == f"--budget must be above 0 and at most 1, got {given}."
