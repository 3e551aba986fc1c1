"""An experiment that does not fit its dataset is refused before anything runs."""

import pytest

from perturb.config import ExperimentConfig
from perturb.datasets.renderers.dsprites import DSprites
from perturb.errors import UserError
from perturb.experiment.checks import check_sizes


def test_the_exact_game_is_refused_on_a_large_grid(tiny: ExperimentConfig) -> None:
    exact = tiny.perturbation.model_copy(update={"form": "literal_exact"})
    large = tiny.model_copy(update={"training": tiny.training.model_copy(update={"architecture": "conv64"})})
    with pytest.raises(UserError, match=r"^perturbation\.form = literal_exact .* 16,384 .* 737,280\. Use literal\.$"):
        check_sizes(large.model_copy(update={"perturbation": exact}), DSprites())
    with pytest.raises(UserError, match=r"^alternatives\.other\.form = literal_exact"):
        check_sizes(large.model_copy(update={"alternatives": {"other": exact}}), DSprites())
    check_sizes(large, DSprites())
