"""The network of a trained model that draws images from codes."""

from torch import nn

from perturb.errors import UserError
from perturb.objectives.objective import Objective

DRAWING = "decoder", "generator"


def drawing_network(objective: Objective) -> nn.Module:
    """Return a VAE's decoder or a GAN's generator.

    It maps codes (restarts, n, latents) to logits (restarts, n, height, width, channels).

    Raises:
        UserError: the model has neither, such as PCL.

    """
    name = next((name for name in DRAWING if name in objective.networks), None)
    if name is None:
        raise UserError(f"{objective.config.kind} has no decoder, so that its codes cannot be drawn.")
    return objective.networks[name]


def single_decoder(objective: Objective, *, images: bool = False) -> nn.Sequential:
    """Return the drawing network without the restart axis: codes (n, latents) → logits (n, height, width, channels).

    Args:
        objective: a model with one restart.
        images: whether to return mean images in [0, 1] instead of logits.

    Raises:
        UserError: as in `drawing_network`.

    """
    ends = [nn.Flatten(0, 1), *([nn.Sigmoid()] if images else [])]
    return nn.Sequential(nn.Unflatten(0, (1, -1)), drawing_network(objective), *ends).eval()
