"""Patterns confined to the directions in which the images vary: cells that vary together in the images do so in the pattern.

An untrained curve changes every cell of the image independently. If each factor of a scene has its own image region, images
never vary like that, while a trained curve may vary as they do. A control confined to the images' own directions shares this
property with the trained pattern.
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
"""Share of the variance of the images' cells that the retained directions explain."""


@torch.no_grad()
def confine(network: PerturbationNetwork, images: Images, grid: FactorGrid) -> int:
    """Project a network's raw pattern, before it is standardised or bounded, onto the images' principal directions.

    The projection is folded into the weights of its last layer. Later operations, mainly tanh, leave these directions
    slightly, but cells that are always equal in the images still change together.

    Args:
        network: A network with the generator "coarse", not calibrated yet; changed in place.
        images: The original images.
        grid: Factor grid of the data.

    Returns:
        The number of directions, the smallest that explains 95 % of the variance of the images' 8 × 8 cells.

    """
    directions = principal_directions(images, grid)
    last = next(layer for layer in reversed(network.draw) if isinstance(layer, Linear))
    for parameter in (last.weight, last.bias):
        parameter.copy_((parameter @ directions.T) @ directions)
    return len(directions)


def principal_directions(images: Images, grid: FactorGrid) -> Tensor:
    """Return the principal directions of the images' cells, orthonormal float32 (directions, 8 · 8 · channels).

    They are in descending order of variance, and as few as explain 95 % of it.
    """
    levels = images.images(sample_of(grid)).astype(np.float32) / 255
    cells = pooled(torch.from_numpy(levels)).double()
    _, strengths, directions = torch.linalg.svd(cells - cells.mean(dim=0), full_matrices=False)
    held = strengths.square().cumsum(dim=0) / strengths.square().sum()
    return directions[: int((held < HELD).sum()) + 1].float()
