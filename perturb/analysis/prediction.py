"""What a pattern will do to a VAE's axes, told before anything is retrained.

The codes of a frozen encoder of the original images stand for those that a retrained VAE would start from. On the modified
images their local metric has cheapest axes (perturbation/local_metric.py), onto which a VAE that gives in turns its codes.
The MIG of the turned codes is the prediction, and what turning saves says how strong the pull is. Nothing is trained. It
needs the factors, as every score does: it checks patterns and is no objective of theirs.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from perturb.metrics.coded import top_gaps
from perturb.metrics.mig import information_shares
from perturb.perturbation.local_metric import best_axes, gain_of_turning, mean_metric, slopes_at
from perturb.seeding import torch_generator

WIDTH = 1.0
"""Width of the neighbourhoods in which slopes are fitted, in standard deviations of a code. It is about the width of a
posterior while a VAE settles its axes."""
ANCHORS = 256
BINS = 20


@dataclass(frozen=True)
class Prediction:
    """What a pattern is predicted to do; each number is a mean over the encoders."""

    gain: float
    """Σ log(c + G_jj) − log det(cI + G) of the variant's images in the encoders' axes; 0 where they are best."""
    kept: float
    """MIG of the codes as they are."""
    turned: float
    """MIG of the codes on the cheapest axes."""

    def as_json(self) -> dict[str, float]:
        """The numbers as a run's result keeps them."""
        return asdict(self)


def predict(codes: Sequence[Tensor], factors: np.ndarray, images: Tensor, *, price: float, seed: int) -> Prediction:
    """What the images of a variant do to codes of the originals.

    Args:
        codes: of each encoder, standardised, float32 (n, latents).
        factors: classes, int64 (n, factors).
        images: the variant's, pooled as in perturbation/pooling.py, float32 (n, values).
        price: c, in units of the likelihood's variance.
        seed: draws the anchors.

    """
    found = [_one(values, factors, images, price, torch_generator(seed, "anchors")) for values in codes]
    return Prediction(*np.mean(found, axis=0).tolist())


def _one(
    codes: Tensor, factors: np.ndarray, images: Tensor, price: float, generator: torch.Generator
) -> tuple[float, float, float]:
    """Gain, MIG as it is, MIG when turned."""
    anchors = codes[torch.randperm(len(codes), generator=generator)[:ANCHORS]]
    metric = mean_metric(slopes_at(anchors, codes, WIDTH), images)
    turned = codes @ best_axes(metric).mT
    return gain_of_turning(metric, price).item(), _mig(codes, factors), _mig(turned, factors)


def _mig(codes: Tensor, factors: np.ndarray) -> float:
    return float(top_gaps(information_shares(codes.numpy(), factors, BINS)).mean())
