"""A pattern that repaints what is already there: its values vary together where those of the images do.

A curve that was never trained gives every cell of the image a course of its own. Where each factor of a scene has a region,
images never look like that, while a trained curve may. A control confined to the images' own directions shares this with the
trained pattern.
"""

import numpy as np
import torch
from torch import Tensor

from perturb.datasets.ground_truth import FactorGrid
from perturb.models.layers import Linear
from perturb.perturbation.network import PerturbationNetwork
from perturb.perturbation.pattern import sample_of
from perturb.perturbation.pooling import pooled
from perturb.perturbation.stored import Images

HELD = 0.95
"""Share of the variance of the images' cells that the directions hold which are kept."""


@torch.no_grad()
def confine(network: PerturbationNetwork, images: Images, grid: FactorGrid) -> int:
    """Project what a network draws, before anything standardises or bounds it, on the images' principal directions.

    The projection becomes part of the weights of its last layer. What follows, tanh above all, leaves the directions a
    little; what stays is that cells which the images never tell apart change together.

    Args:
        network: with the generator "coarse", not calibrated yet; changed in place.
        images: the originals.
        grid: of the data.

    Returns:
        The number of directions, the fewest that hold 95 % of the variance of the images' 8 × 8 cells.

    """
    directions = principal_directions(images, grid)
    last = next(layer for layer in reversed(network.draw) if isinstance(layer, Linear))
    for parameter in (last.weight, last.bias):
        parameter.copy_((parameter @ directions.T) @ directions)
    return len(directions)


def principal_directions(images: Images, grid: FactorGrid) -> Tensor:
    """Orthonormal directions of the images' cells, float32 (directions, 8 · 8 · channels), the strongest first."""
    levels = images.images(sample_of(grid)).astype(np.float32) / 255
    cells = pooled(torch.from_numpy(levels)).double()
    _, strengths, directions = torch.linalg.svd(cells - cells.mean(dim=0), full_matrices=False)
    held = strengths.square().cumsum(dim=0) / strengths.square().sum()
    return directions[: int((held < HELD).sum()) + 1].float()
