"""The predicted effect of a pattern on a VAE's axes, before anything is retrained.

The codes that a frozen encoder gives to the original images serve as a proxy for the codes that a retrained VAE would start
from. The local metric of the modified images in these codes has cheapest axes (perturbation/local_metric.py), and a VAE that
follows this pull rotates its codes onto them. The MIG of the rotated codes is the prediction, and the saving from the
rotation measures the strength of the pull. Nothing is trained. Like every score, the prediction needs the factors: it is a
check on patterns, not an objective to train them with.

A VAE first learns to reconstruct the directions in which the original images vary, and never reconstructs much of the rest.
Whatever a pattern does outside these directions would count in the metric but hardly counts in training. So the prediction
is made twice: from the whole images, and from their projection onto these directions. The second prediction is the one
compared with measurements.
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
    """The predicted effect of a pattern; each number is averaged over the encoders."""

    kept: float
    """MIG of the codes as they are."""
    gain: float
    """Σ log(c + G_jj) − log det(cI + G) of the variant's images on the encoders' axes; 0 if these axes are optimal."""
    turned: float
    """MIG of the codes on the cheapest axes."""
    gain_in_span: float
    """The gain computed from the projection onto the directions in which the original images vary."""
    turned_in_span: float
    """MIG of the codes on the axes that are cheapest for this projection."""

    @property
    def saving(self) -> float:
        """Nats per unit of β that the cheapest axes within the originals' directions save, half of `gain_in_span`."""
        return self.gain_in_span / 2

    @property
    def lost(self) -> float:
        """The predicted loss of MIG when codes rotate to the axes that are cheapest within these directions."""
        return self.kept - self.turned_in_span

    @property
    def lost_whole(self) -> float:
        """The loss predicted from the whole images, including the directions in which the originals do not vary."""
        return self.kept - self.turned


def predict_for(
    models: Sequence[Objective], originals: Pixels, variant: Images, grid: FactorGrid, *, price: float, seed: int
) -> Prediction:
    """Predict how the images of a variant affect the codes that frozen models give to the originals.

    Args:
        models: Models whose encoders are used.
        originals: The images that the models were trained on.
        variant: The same images after the perturbation, or the originals themselves.
        grid: Factor grid of both.
        price: As in `predict`.
        seed: Seed for drawing the anchors and at most 5,000 images, the same images for every variant.

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
    """Predict how the images of a variant affect codes of the originals.

    Args:
        codes: Standardised codes of each encoder, float32 (n, latents).
        factors: Factor classes, int64 (n, factors).
        images: The variant's images, pooled as in perturbation/pooling.py, float32 (n, values).
        directions: Orthonormal directions in which the originals vary, (directions, values).
        price: The constant c, in units of the likelihood's variance.
        seed: Seed for drawing the anchors.

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
    """Return the saving of the cheapest axes, Σ log(c + G_jj) − log det(cI + G), and the MIG on them.

    Args:
        codes: Standardised codes, (n, latents).
        factors: Factor classes, int64 (n, factors).
        slopes: Slope operators fitted around the codes (axes.slopes_around).
        images: Pooled images, possibly projected onto some directions, float32 (n, values).
        price: The constant c, in units of the likelihood's variance.

    """
    metric = mean_metric(slopes, images)
    return gain_of_turning(metric, price).item(), mig_of(codes @ best_axes(metric).mT, factors)


def mig_of(codes: Float[Tensor, "n latents"], factors: Int64[np.ndarray, "n factors"]) -> float:
    """Return the MIG, in [0, 1], of codes (n, latents) of images with factors (n, factors)."""
    return float(gap_to_runner_up(information_shares(codes.numpy(), factors, BINS)).mean())


def _one(
    codes: Tensor, factors: np.ndarray, seen: Sequence[Tensor], price: float, generator: torch.Generator
) -> list[float]:
    """Return the MIG of the codes, then for each set of images the gain and the MIG on the cheapest axes."""
    slopes, numbers = slopes_around(codes, generator), [mig_of(codes, factors)]
    for images in seen:
        numbers += turned(codes, factors, slopes, images, price)
    return numbers
