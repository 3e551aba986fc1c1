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


@pytest.mark.parametrize(
    ("architecture", "size", "pattern"),
    [
        (
            "mlp28",
            28,
            "mlp28 is for 28 × 28 images, .* are 28 × 28; make images of 32 × 32 or 64 × 64, which the 8 × 8 cells",
        ),
        ("linear", 1, "linear is for 1 × 1 images, .* are 1 × 1; make images of 32 × 32 or 64 × 64"),
        ("mlp28", 64, "mlp28 is for 28 × 28 images, .* are 64 × 64; choose conv64 or mlp64"),
    ],
)
def test_architectures_for_image_sizes_that_patterns_do_not_support_are_refused(
    tiny: ExperimentConfig, architecture: str, size: int, pattern: str
) -> None:
    class Small(DSprites):
        image_shape = (size, size, 1)

    training = tiny.training.model_copy(update={"architecture": architecture})
    with pytest.raises(UserError, match=pattern):
        check_sizes(tiny.model_copy(update={"training": training}), Small())
