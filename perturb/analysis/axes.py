"""The cost of images along the axes of a code, what the best axes would save, and how far those are turned.

The theory stands in perturbation/local_metric.py. Here it is read off any images in any code: of a VAE's posterior means, or
of the codes of a model that has no posterior. Nothing is trained, and no factor is needed.
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
"""Width of the neighbourhoods in which slopes are fitted, in standard deviations of a code. It is about the width of a
posterior while a VAE settles its axes."""
ANCHORS = 256
UNUSED = 0.2
"""Share of the largest standard deviation below which a latent counts as unused, where there are no posterior variances."""
BATCH = 512


@dataclass(frozen=True, kw_only=True)
class AxesCost:
    """The cost of images along the axes of a code and along the best ones, in nats per unit of β."""

    own: float
    """½ Σ_j log(c + G_jj): half the logarithm of the product of the columns' floored squared norms."""
    best: float
    """½ log det(cI + G), the least that any rotation of the axes reaches."""
    angles: tuple[float, ...]
    """Angle in degrees, for each latent, 0 to 90, between its axis and the best axis that is matched to it. Where the
    saving is near 0 it means little, because other axes are about as good."""

    @property
    def saving(self) -> float:
        """The nats per unit of β that the best axes would save, at least 0."""
        return max(0.0, self.own - self.best)

    @property
    def angle(self) -> float:
        """The largest of the angles."""
        return max(self.angles)


def axes_cost(metric: Float[Tensor, "latents latents"], price: float) -> AxesCost:
    """The cost of images whose local metric in a code is known.

    Args:
        metric: G, symmetric and positive semi-definite, (latents, latents).
        price: c > 0, in units of the likelihood's variance.

    """
    exact = metric.double()
    return AxesCost(
        own=log_columns(exact, price).item() / 2, best=log_volume(exact, price).item() / 2, angles=turn_angles(exact)
    )


def turn_angles(metric: Float[Tensor, "latents latents"]) -> tuple[float, ...]:
    """The angle in degrees between each latent's axis and its best axis, matched such that the sum of cosines is largest.

    Args:
        metric: symmetric, (latents, latents).

    """
    from scipy.optimize import linear_sum_assignment

    cosines = best_axes(metric).abs().numpy()
    axes, latents = linear_sum_assignment(cosines, maximize=True)
    matched = cosines[axes, latents][np.argsort(latents)]
    return tuple(np.degrees(np.arccos(matched.clip(0, 1))).tolist())


def slopes_around(
    codes: Float[Tensor, "n latents"], generator: torch.Generator, width: float = WIDTH
) -> Float[Tensor, "anchors latents n"]:
    """The operators that fit slopes of images on codes, around 256 of the codes (local_metric.slopes_at).

    Args:
        codes: standardised, (n, latents).
        generator: draws the anchors.
        width: of the neighbourhoods, in standard deviations of the code.

    """
    anchors = codes[torch.randperm(len(codes), generator=generator)[:ANCHORS]]
    return slopes_at(anchors, codes, width)


def cost_of(slopes: Float[Tensor, "anchors latents n"], images: Float[Tensor, "n values"], price: float) -> AxesCost:
    """The cost of images in the code that the slopes were fitted around.

    Args:
        slopes: of `slopes_around`.
        images: pooled, (n, values).
        price: c > 0.

    """
    return axes_cost(mean_metric(slopes, images), price)


def used_codes(codes: Num[np.ndarray, "n latents"]) -> Float[Tensor, "n used"]:
    """The standardised codes of the latents in use, float32 (n, latents in use), where nothing is known but the codes.

    An unused unit of a VAE still has a mean, which follows the used units by a little; standardised, it would pass for an
    axis. So a latent counts as unused whose standard deviation is below a fifth of the largest. Where posterior variances
    are known, local_metric.active_codes tells better.

    Args:
        codes: finite numbers of any scale, (n, latents).

    """
    scaled = codes.astype(np.float64)
    for _ in range(2):  # before and after the mean goes, so that no sum and no square leaves the range of floats
        scaled = scaled / (np.abs(scaled).max(initial=0.0) or 1.0)
        scaled = scaled - scaled.mean(axis=0)
    spread = scaled.std(axis=0)
    used = spread > UNUSED * spread.max(initial=0.0)
    return torch.from_numpy((scaled[:, used] / spread[used]).astype(np.float32))


def pooled_images(images: Images, numbers: Num[np.ndarray, " n"]) -> Float[Tensor, "n cells"]:
    """Images by number as the local metric sees them (perturbation/pooling.py), float32 (n, cells)."""
    parts = np.split(numbers, range(BATCH, len(numbers), BATCH))
    return torch.cat([pooled(torch.from_numpy(images.images(part).astype(np.float32) / 255)) for part in parts])
