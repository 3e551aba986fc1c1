"""An experiment's rows as entries: anything that would prevent writing them is found before anything runs."""

import pytest

from perturb.config import ExperimentConfig
from perturb.datasets import grid_of
from perturb.entries.entry import LARGEST_SEED
from perturb.errors import UserError
from perturb.experiment.plan import plan_experiment
from perturb.report.entries import check_entries, file_name


def test_an_experiment_whose_entries_can_be_written_passes(tiny: ExperimentConfig) -> None:
    check_entries(tiny, grid_of(tiny.dataset))


@pytest.mark.parametrize(
    ("evaluation", "seed", "reason"),
    [
        ({}, LARGEST_SEED, r"because of `seed`: input should be less than 9223372036854775808"),
        ({"seeds": 10_001}, 0, r"because of `seeds`: tuple should have at most 10000 items"),
        ({"seeds": 10_000}, 0, r"would be an entry of \d\d,\d\d\d,\d\d\d bytes, and the limit is 4,194,304"),
        ({"seeds": 1_001, "draws": 1_001}, 0, r"because of `draw`: input should be less than 1000"),
    ],
    ids=["seed", "seeds", "size", "patterns"],
)
def test_results_that_could_not_be_written_as_entries_are_refused_at_planning_time(
    tiny: ExperimentConfig, evaluation: dict[str, int], seed: int, reason: str
) -> None:
    changed = tiny.model_copy(update={"seed": seed, "evaluation": tiny.evaluation.model_copy(update=evaluation)})
    with pytest.raises(UserError, match=reason):
        plan_experiment(changed)


def test_entry_file_names_are_shortened_to_fit_even_with_four_byte_letters(tmp_path) -> None:
    name = file_name(0, "𝛽" * 80)
    assert name == f"01-{'𝛽' * 50}.json"
    (tmp_path / name).touch()
