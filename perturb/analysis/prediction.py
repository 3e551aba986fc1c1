"""The predicted effect of a pattern on a VAE's axes, before anything is retrained.

The codes of a frozen encoder of the original images stand for those that a retrained VAE would start from. On the modified
images their local metric has cheapest axes (perturbation/local_metric.py), onto which a VAE that gives in turns its codes.
The MIG of the turned codes is the prediction, and what turning saves says how strong the pull is. Nothing is trained. It
needs the factors, as every score does: it checks patterns and is no objective of theirs.

A VAE draws first what the images themselves are made of, and leaves much of everything else undrawn. What a pattern does
outside the images' own directions would count in the metric and hardly counts in training. So the prediction is made twice,
of the images as they are and of their part within those directions. The second is held against what was measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from perturb.analysis.axes import pooled_images, slopes_around
from perturb.datasets.ground_truth import FactorGrid
from perturb.datasets.pixels import Pixels
from perturb.metrics.coded import gap_to_runner_up
from perturb.metrics.mig import information_shares
from perturb.objectives import Objective
from perturb.objectives.encode import encode
from perturb.perturbation.local_metric import active_codes, best_axes, gain_of_turning, mean_metric
from perturb.perturbation.span import principal_directions
from perturb.perturbation.stored import Images
from perturb.random.seeds import numpy_generator, some_of, torch_generator

SAMPLE = 5_000
"""The largest number of images that a prediction reads."""
BINS = 20


@dataclass(frozen=True)
class Prediction:
    """The predicted effect of a pattern; each number is a mean over the encoders."""

    kept: float
    """MIG of the codes as they are."""
    gain: float
    """Σ log(c + G_jj) − log det(cI + G) of the variant's images in the encoders' axes; 0 where they are best."""
    turned: float
    """MIG of the codes on the cheapest axes."""
    gain_in_span: float
    """The gain within the directions of the original images."""
    turned_in_span: float
    """MIG of the codes on the axes that are cheapest within these directions."""

    @property
    def saving(self) -> float:
        """Nats per unit of β that the cheapest axes within the originals' directions save: half of `gain_in_span`."""
        return self.gain_in_span / 2

    @property
    def lost(self) -> float:
        """The MIG that is predicted to be lost, by turning to the axes that are cheapest within these directions."""
        return self.kept - self.turned_in_span

    @property
    def lost_whole(self) -> float:
        """The loss predicted from the whole images, also outside the directions in which the originals vary."""
        return self.kept - self.turned


def predict_for(
    models: Sequence[Objective], originals: Pixels, variant: Images, grid: FactorGrid, *, price: float, seed: int
) -> Prediction:
    """Return what the images of a variant do to the codes that frozen models have of the originals.

    Args:
        models: their encoders are read.
        originals: the images that the models were trained on.
        variant: the same images changed, or the originals themselves.
        grid: of both.
        price: as in `predict`.
        seed: draws at most 5,000 images, the same for every variant, and the anchors.

    """
    rng = numpy_generator(seed, "images")
    numbers = some_of(len(grid), SAMPLE, rng)
    codes = [active_codes(*encode(model, originals, numbers)) for model in models]
    images, directions = pooled_images(variant, numbers), principal_directions(originals, grid)
    return predict(codes, grid.factors_of(numbers), images, directions, price=price, seed=seed)


def predict(
    codes: Sequence[Tensor],
    factors: Int64[np.ndarray, "n factors"],
    images: Float32[Tensor, "n values"],
    directions: Float32[Tensor, "directions values"],
    *,
    price: float,
    seed: int,
) -> Prediction:
    """Return what the images of a variant do to codes of the originals.

    Args:
        codes: of each encoder, standardised, float32 (n, latents).
        factors: classes, int64 (n, factors).
        images: the variant's, pooled as in perturbation/pooling.py, float32 (n, values).
        directions: orthonormal ones in which the originals vary, (directions, values).
        price: c, in units of the likelihood's variance.
        seed: draws the anchors.

    """
    within = images @ directions.T
    found = [_one(values, factors, (images, within), price, torch_generator(seed, "anchors")) for values in codes]
    return Prediction(*np.mean(found, axis=0).tolist())


def turned(
    codes: Float[Tensor, "n latents"],
    factors: Int64[np.ndarray, "n factors"],
    slopes: Float[Tensor, "anchors latents n"],
    images: Float[Tensor, "n values"],
    price: float,
) -> tuple[float, float]:
    """Return what the cheapest axes of images in a code save, Σ log(c + G_jj) − log det(cI + G), and the MIG on them.

    Args:
        codes: standardised, (n, latents).
        factors: classes, int64 (n, factors).
        slopes: fitted around the codes (axes.slopes_around).
        images: pooled, and perhaps within some directions, float32 (n, values).
        price: c, in units of the likelihood's variance.

    """
    metric = mean_metric(slopes, images)
    return gain_of_turning(metric, price).item(), mig_of(codes @ best_axes(metric).mT, factors)


def mig_of(codes: Float[Tensor, "n latents"], factors: Int64[np.ndarray, "n factors"]) -> float:
    """Return the MIG, in [0, 1], of codes (n, latents) of images with factors (n, factors)."""
    return float(gap_to_runner_up(information_shares(codes.numpy(), factors, BINS)).mean())


def _one(
    codes: Tensor, factors: np.ndarray, seen: Sequence[Tensor], price: float, generator: torch.Generator
) -> list[float]:
    """MIG as it is, then of everything that may be seen the gain and the MIG when turned."""
    slopes, numbers = slopes_around(codes, generator), [mig_of(codes, factors)]
    for images in seen:
        numbers += turned(codes, factors, slopes, images, price)
    return numbers
