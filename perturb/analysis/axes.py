"""The cost of images along the axes of a code, the saving by the best axes, and how far those are rotated.

The theory is in perturbation/local_metric.py. This module applies it to any images in any code: the posterior means of a
VAE, or the codes of a model without a posterior. Nothing is trained, and no factors are needed.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Num
from torch import Tensor

from perturb.perturbation.local_metric import best_axes, log_columns, log_volume, mean_metric, slopes_at
from perturb.perturbation.pooling import pooled
from perturb.perturbation.stored import Images

WIDTH = 1.0
"""Width of the neighbourhoods in which slopes are fitted, in standard deviations of the code. Posteriors are about this wide
while a VAE settles its axes."""
ANCHORS = 256
UNUSED = 0.2
"""A latent counts as unused if its standard deviation is below this share of the largest. It is needed where posterior
variances are not known."""
BATCH = 512


@dataclass(frozen=True, kw_only=True)
class AxesCost:
    """The cost of images along the axes of a code and along the best axes, in nats per unit of β."""

    own: float
    """½ Σ_j log(c + G_jj): half the logarithm of the product of the columns' floored squared norms."""
    best: float
    """½ log det(cI + G), the minimum over all rotations of the axes."""
    angles: tuple[float, ...]
    """Angle in degrees, 0 to 90, between each latent's axis and the best axis matched to it. It means little if the saving
    is near 0, because many sets of axes are then about equally good."""

    @property
    def saving(self) -> float:
        """Nats per unit of β that the best axes would save, at least 0."""
        return max(0.0, self.own - self.best)

    @property
    def angle(self) -> float:
        """The largest of the angles."""
        return max(self.angles)


def axes_cost(metric: Float[Tensor, "latents latents"], price: float) -> AxesCost:
    """Compute the cost of images from their local metric in a code.

    Args:
        metric: The local metric G, symmetric and positive semi-definite, (latents, latents).
        price: The constant c > 0, in units of the likelihood's variance.

    """
    exact = metric.double()
    return AxesCost(
        own=log_columns(exact, price).item() / 2, best=log_volume(exact, price).item() / 2, angles=turn_angles(exact)
    )


def turn_angles(metric: Float[Tensor, "latents latents"]) -> tuple[float, ...]:
    """Return the angle in degrees between each latent's axis and the best axis matched to it.

    The matching maximises the sum of the cosines.

    Args:
        metric: The local metric, symmetric, (latents, latents).

    """
    from scipy.optimize import linear_sum_assignment

    cosines = best_axes(metric).abs().numpy()
    axes, latents = linear_sum_assignment(cosines, maximize=True)
    matched = cosines[axes, latents][np.argsort(latents)]
    return tuple(np.degrees(np.arccos(matched.clip(0, 1))).tolist())


def slopes_around(
    codes: Float[Tensor, "n latents"], generator: torch.Generator, width: float = WIDTH
) -> Float[Tensor, "anchors latents n"]:
    """Return the operators that fit the slopes of images on codes, around 256 of the codes (local_metric.slopes_at).

    Args:
        codes: Standardised codes, (n, latents).
        generator: Generator that draws the anchors.
        width: Width of the neighbourhoods, in standard deviations of the code.

    """
    anchors = codes[torch.randperm(len(codes), generator=generator)[:ANCHORS]]
    return slopes_at(anchors, codes, width)


def cost_of(slopes: Float[Tensor, "anchors latents n"], images: Float[Tensor, "n values"], price: float) -> AxesCost:
    """Compute the cost of images in the code for which the slope operators were built.

    Args:
        slopes: Operators returned by `slopes_around`.
        images: Pooled images, (n, values).
        price: The constant c > 0.

    """
    return axes_cost(mean_metric(slopes, images), price)


def used_codes(codes: Num[np.ndarray, "n latents"]) -> Float[Tensor, "n used"]:
    """Return the standardised codes of the latents in use, float32 (n, latents in use), judged by the codes alone.

    The mean of an unused VAE unit still varies slightly with the used units. Standardised, it would look like an axis.
    So a latent counts as unused if its standard deviation is below a fifth of the largest. If the posterior variances are
    known, local_metric.active_codes is more reliable.

    Args:
        codes: Finite numbers of any scale, (n, latents).

    """
    scaled = codes.astype(np.float64)
    for _ in range(2):  # rescale before and after centring, so that no sum or square leaves the range of floats
        scaled = scaled / (np.abs(scaled).max(initial=0.0) or 1.0)
        scaled = scaled - scaled.mean(axis=0)
    spread = scaled.std(axis=0)
    used = spread > UNUSED * spread.max(initial=0.0)
    return torch.from_numpy((scaled[:, used] / spread[used]).astype(np.float32))


def pooled_images(images: Images, numbers: Num[np.ndarray, " n"]) -> Float[Tensor, "n cells"]:
    """Return images by number, pooled for the local metric (perturbation/pooling.py), float32 (n, cells)."""
    parts = np.split(numbers, range(BATCH, len(numbers), BATCH))
    return torch.cat([pooled(torch.from_numpy(images.images(part).astype(np.float32) / 255)) for part in parts])
