"""Checks of a config against its dataset, before anything runs."""

from perturb.config import ExperimentConfig
from perturb.datasets.ground_truth import GroundTruth
from perturb.errors import UserError
from perturb.models import ARCHITECTURES
from perturb.perturbation.exact_game import MOST_IMAGES
from perturb.perturbation.pooling import COARSE


def check_sizes(config: ExperimentConfig, ground_truth: GroundTruth) -> None:
    """Check that architecture, forms of m_ψ's objective and methods fit the images, the batches and the latents.

    Raises:
        UserError: they do not fit.

    """
    for training in (config.training, *(m.training for m in config.evaluation.methods if m.training)):
        wanted, (height, width, _) = ARCHITECTURES[training.architecture].image_size, ground_truth.image_shape
        fitting = [name for name, a in ARCHITECTURES.items() if height == width == a.image_size and not height % COARSE]
        if training.architecture not in fitting:
            cells = f"which the {COARSE} × {COARSE} cells of a pattern divide"
            advice = f"choose {' or '.join(fitting)}" if fitting else f"make images of 32 × 32 or 64 × 64, {cells}"
            raise UserError(
                f"training.architecture = {training.architecture} is for {wanted} × {wanted} images, and the images of "
                f"{ground_truth.name} are {height} × {width}; {advice}."
            )
    forms = {"perturbation": config.perturbation} | {f"alternatives.{n}": form for n, form in config.alternatives.items()}
    for section, form in forms.items():
        if form.form == "literal_exact" and ground_truth.grid.num_images > MOST_IMAGES:
            raise UserError(
                f"{section}.form = literal_exact is for grids of at most {MOST_IMAGES:,} images, because its operator has "
                f"an entry for each pair of them; {ground_truth.name} has {ground_truth.grid.num_images:,}. Use literal."
            )
    for method in config.evaluation.methods:
        training = method.training or config.training
        if method.objective.paired and training.batch_size % 2:
            raise UserError(
                f"{method.name}: training.batch_size must be even, because its batches are pairs of images; got "
                f"{training.batch_size}."
            )
        factors, latents = ground_truth.grid.num_factors, training.latents
        if method.objective.latents_are_factors and latents not in (None, factors):
            raise UserError(
                f"{method.name}: training.latents must be {factors}, the number of factors of {ground_truth.name}, because "
                f"each unit stands for a factor; got {latents}."
            )
