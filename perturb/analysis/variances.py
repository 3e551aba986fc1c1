"""The variance that each factor and the perturbation induce, globally and locally.

The thesis's idea is that "local changes in the data distribution can potentially lead to a disruptive change in the latent
alignments without inducing large global variance" (4.2.1), so that "the primary sources of global variance remain unaltered"
(4.3.2). It gives no formula for either; the definitions here are ours. x(w) is the original image for the factors w, x′(w)
the variant's image, and δ(w) = x′(w) − x(w) as stored, after mirroring and rounding. w is uniform over the grid, and ‖·‖²
sums over pixels and channels.

    total        V(x)   = E ‖x(w) − E x‖²
    global, k    V_k(x) = E ‖E[x(w) | w_k] − E x‖²         main effect; the rest of V(x) is due to factor interactions
    local, k     L_k(x) = E ‖x(w + e_k) − x(w)‖²           one step of factor k, others fixed; over all w with a next value
    magnitude    M(δ)   = E ‖δ(w)‖²                        V(δ) plus the squared norm of δ's mean image

The same holds for δ and x′. They are related by V(x′) = V(x) + V(δ) + 2 · cov(x, δ). A VAE's posterior noise sees steps of
about the size of L_k. If L_k(δ) is no longer small compared with L_k(x) while V_k(δ) is small compared with V_k(x), the
change is local.

Unit: squared fraction of the grey range, summed over pixels. One channel of one pixel changing from black to white gives 1.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from perturb.datasets.ground_truth import FactorGrid
from perturb.datasets.pixels import Pixels
from perturb.progress import Progress
from perturb.random.seeds import numpy_generator

BATCH = 128


@dataclass(frozen=True)
class Induced:
    """One quantity for the original images, the perturbation and the variant's images."""

    original: float
    """Value for the original images x."""
    perturbation: float
    """Value for the perturbation δ."""
    variant: float
    """Value for the variant's images x′."""


@dataclass(frozen=True)
class FactorVariance:
    """The variance that one factor induces."""

    factor: str
    globally: Induced
    """V_k, the main effect of the factor over its whole range."""
    locally: Induced
    """L_k, the effect of one step of the factor; zeros for a factor with a single value."""


@dataclass(frozen=True, kw_only=True)
class Variances:
    """The variance that the factors and the perturbation induce in one variant's pixels."""

    total: Induced
    """V, the variance of the images."""
    magnitude: float
    """M(δ), the mean square of the perturbation."""
    factors: tuple[FactorVariance, ...]
    """One entry per factor, in the grid's order."""
    images: int
    """Number of images from which totals and main effects are estimated."""
    whole_grid: bool
    """True if all images of the grid are used, so that V and V_k are exact."""

    def share(self, factor: FactorVariance) -> Induced:
        """Return a factor's main effect divided by the total of the same images; 0 if nothing varies."""
        parts, totals = asdict(factor.globally), asdict(self.total)
        return Induced(**{key: part / totals[key] if totals[key] > 0 else 0.0 for key, part in parts.items()})

    def as_json(self) -> dict[str, Any]:
        """Return the numbers in the form in which a run's result stores them."""
        return asdict(self)


def induced_variances(
    original: Pixels,
    variant: Pixels,
    grid: FactorGrid,
    *,
    sample: int,
    seed: int,
    progress: Progress | None = None,
) -> Variances:
    """Measure the global and local variances of a variant and of the original.

    Sums over batches are in float64. Memory holds one mean image for each value of each factor.

    Args:
        original: The original images, in [0, 1].
        variant: The same images after the perturbation.
        grid: Factor grid of the images.
        sample: Maximum number of images for totals and main effects, and of pairs for the local change of each factor.
            Grids up to this size are used whole. From larger grids, images are drawn without replacement, and main effects
            are corrected for the noise of conditional means (the estimate of a random-effects analysis of variance,
            clamped at 0).
        seed: Seed of the draws.
        progress: Receives the progress after every batch.

    Returns:
        The variances of original, perturbation and variant.

    """
    images = _drawn(len(grid), sample, numpy_generator(seed, "variances", "images"))
    pairs = [_pairs(grid, k, sample, numpy_generator(seed, "variances", "pairs", k)) for k in range(grid.num_factors)]
    work = [len(images), *(2 * len(first) for first, _ in pairs)]

    def tell(part: int, done: int) -> None:
        if progress:
            progress.report(sum(work[:part]) + done, sum(work), "variances")

    totals, magnitude, main = _globally(original, variant, grid, images, lambda done: tell(0, done))
    local = [_locally(original, variant, *chosen, lambda done, k=k: tell(k + 1, done)) for k, chosen in enumerate(pairs)]
    return Variances(
        total=totals,
        magnitude=magnitude,
        factors=tuple(FactorVariance(*parts) for parts in zip(grid.names, main, local, strict=True)),
        images=len(images),
        whole_grid=len(images) == len(grid),
    )


def _drawn(total: int, sample: int, rng: np.random.Generator) -> np.ndarray:
    """Return sorted integers below `total`: all of them, or a random sample."""
    return np.arange(total) if total <= sample else np.sort(rng.choice(total, sample, replace=False))


def _pairs(grid: FactorGrid, factor: int, sample: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return image indices and those one step further along a factor; empty for a factor with a single value."""
    below, size = int(np.prod(grid.sizes[factor + 1 :])), grid.sizes[factor]
    places = _drawn(len(grid) // size * (size - 1), sample, rng)
    above, rest = np.divmod(places, below * (size - 1))
    first = above * below * size + rest
    return first, first + below


def _three(original: Pixels, variant: Pixels, numbers: np.ndarray) -> Tensor:
    """Return x, δ and x′, float32 (3, n, pixels)."""
    x, changed = (pixels.batch(numbers).flatten(1) for pixels in (original, variant))
    return torch.stack([x, changed - x, changed])


def _batches(*numbers: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    for start in range(0, len(numbers[0]), BATCH):
        yield tuple(part[start : start + BATCH] for part in numbers)


def _globally(
    original: Pixels, variant: Pixels, grid: FactorGrid, images: np.ndarray, tell: Callable[[int], None]
) -> tuple[Induced, float, list[Induced]]:
    """Return V, M(δ), and V_k of every factor."""
    sums = torch.zeros((), dtype=torch.float64)
    squares = torch.zeros(3, dtype=torch.float64)
    counts = np.zeros(sum(grid.sizes))
    starts = np.concatenate([[0], np.cumsum(grid.sizes)[:-1]])
    done = 0
    for (numbers,) in _batches(images):
        three = _three(original, variant, numbers)
        values = grid.factors_of(numbers) + starts
        chosen = torch.zeros(sum(grid.sizes), len(numbers))
        chosen[torch.from_numpy(values.T), torch.arange(len(numbers))] = 1
        sums = sums + (chosen @ three).double()
        squares += three.square().sum(dim=(1, 2), dtype=torch.float64)
        counts += chosen.sum(dim=1).numpy()
        done += len(numbers)
        tell(done)
    weights = torch.from_numpy(counts)
    parts = zip(sums.split(list(grid.sizes), dim=1), weights.split(list(grid.sizes)), strict=True)
    mean_squares = squares / len(images)
    means = sums[:, : grid.sizes[0]].sum(dim=1) / len(images)
    total = mean_squares - means.square().sum(dim=1)
    exact = len(images) == len(grid)
    main = [_main_effect(found, weight, means, total, exact=exact) for found, weight in parts]
    return Induced(*total.clamp(min=0).tolist()), mean_squares[1].item(), [Induced(*v.tolist()) for v in main]


def _main_effect(sums: Tensor, counts: Tensor, means: Tensor, total: Tensor, *, exact: bool) -> Tensor:
    """Return V_k of x, δ and x′, (3,), from the sums of images at each value, (3, values, pixels)."""
    seen, n = counts > 0, counts.sum()
    apart = (sums[:, seen] / counts[seen, None] - means[:, None]).square().sum(dim=2) @ counts[seen] / n
    if exact:
        return apart.clamp(min=0)
    values = seen.sum()
    within = (total - apart) * n / (n - values)
    return (apart - (values - 1) / n * within).clamp(min=0)


def _locally(
    original: Pixels, variant: Pixels, first: np.ndarray, second: np.ndarray, tell: Callable[[int], None]
) -> Induced:
    """Return L_k, the mean squared change caused by one step of a factor."""
    squares, done = torch.zeros(3, dtype=torch.float64), 0
    for here, there in _batches(first, second):
        step = _three(original, variant, there) - _three(original, variant, here)
        squares += step.square().sum(dim=(1, 2), dtype=torch.float64)
        done += 2 * len(here)
        tell(done)
    return Induced(*(squares / max(len(first), 1)).tolist())
