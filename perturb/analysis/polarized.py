"""The polarized regime of a trained VAE: the state of its units, and the cost of their noise (thesis 3.2.2).

There are two definitions of an active unit: its mean posterior variance is below 0.8 (4.3.4), or the standard deviation of
its means exceeds 0.5 (3.3.2). In the polarized regime they agree. ΔKL is the relative error of L≈KL as an approximation of
the KL divergence (eq. 3.38).

The reconstruction loss has a deterministic part, ‖d(μ) − x‖², and a stochastic part, E ‖d(z) − d(μ)‖² (eq. 3.8–3.9). They
add up to the total, E ‖d(z) − x‖², if d(z) is unbiased around d(μ) (Proposition 4). Otherwise the missing part,
2 E ⟨d(z) − d(μ), d(μ) − x⟩, measures the bias. d is the mean image. Losses are summed over pixels, in squared fractions of
the grey range, and averaged over images.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from perturb.analysis.jacobians import Decoder
from perturb.objectives.encode import unit_variances
from perturb.objectives.polarized import LEAST_DEVIATION, delta_kl, polarized_kl
from perturb.objectives.posterior import DiagonalGaussian
from perturb.training.loop import ACTIVE


@dataclass(frozen=True, kw_only=True)
class Units:
    """Statistics of a VAE's latent units over a set of images."""

    posterior_variances: np.ndarray
    """E[σ²] of each unit, float64 (latents,)."""
    mean_variances: np.ndarray
    """Variance of each unit's means over the images, float64 (latents,)."""
    kl: float
    """KL divergence in nats, averaged over the images."""
    polarized_kl: float
    """L≈KL (eq. 3.5), in nats."""
    delta_kl: float
    """ΔKL (eq. 3.38), at least 0."""

    @property
    def precise(self) -> np.ndarray:
        """True for units whose E[σ²] is below 0.8, bool (latents,)."""
        return self.posterior_variances < ACTIVE

    @property
    def moving(self) -> np.ndarray:
        """True for units whose means have a standard deviation above 0.5, bool (latents,)."""
        return np.sqrt(self.mean_variances) > LEAST_DEVIATION


@dataclass(frozen=True)
class Split:
    """The parts of the squared reconstruction error, averaged over images."""

    total: float
    """E ‖d(z) − x‖² (eq. 3.6)."""
    deterministic: float
    """‖d(μ) − x‖² (eq. 3.8)."""
    stochastic: float
    """E ‖d(z) − d(μ)‖² (eq. 3.9)."""

    @property
    def missing(self) -> float:
        """The part of the total that neither accounts for: 0 under Proposition 4, otherwise positive or negative."""
        return self.total - self.deterministic - self.stochastic


def units_of(means: Float[np.ndarray, "n latents"], logvars: Float[np.ndarray, "n latents"]) -> Units:
    """Compute the statistics of latent units from diagonal posteriors.

    Args:
        means: Posterior means, (n, latents).
        logvars: Logarithms of the posterior variances, (n, latents).

    """
    posterior = DiagonalGaussian(*(torch.from_numpy(values.astype(np.float64))[None] for values in (means, logvars)))
    return Units(
        posterior_variances=unit_variances(logvars),
        mean_variances=means.astype(np.float64).var(axis=0),
        kl=posterior.kl().item(),
        polarized_kl=polarized_kl(posterior).item(),
        delta_kl=delta_kl(posterior).item(),
    )


@torch.no_grad()
def reconstruction_split(
    decoder: Decoder, batches: Iterable[tuple[Tensor, Tensor, Tensor]], *, draws: int, generator: torch.Generator
) -> Split:
    """Split the squared reconstruction error of a VAE with diagonal posteriors.

    Args:
        decoder: From codes (n, latents) to mean images (n, ...) in [0, 1], in evaluation mode.
        batches: Images (n, ...) in [0, 1] as the decoder draws them, with the means and log variances (n, latents) of
            their posteriors.
        draws: Number of codes drawn from each posterior.
        generator: Generator of their noise, on the CPU.

    """
    sums, count = torch.zeros(3, dtype=torch.float64), 0
    for x, mean, logvar in batches:
        middle, count = decoder(mean), count + len(x)
        for _ in range(draws):
            noise = torch.randn(mean.shape, generator=generator).to(mean.device)
            drawn = decoder(mean + torch.exp(logvar / 2) * noise)
            sums += torch.stack([_squared(drawn, x), _squared(middle, x), _squared(drawn, middle)]).cpu()
    return Split(*(sums / (count * draws)).tolist())


def _squared(first: Tensor, second: Tensor) -> Tensor:
    """Return the squared distance, summed over pixels and images, float64."""
    return (first - second).double().square().sum()


def share_below(steps: Float[np.ndarray, " points"], errors: Float[np.ndarray, " points"], limit: float = 0.03) -> float:
    """Return the final share of a training throughout which errors stay below a limit (thesis, Table 3.2), in [0, 1].

    Args:
        steps: Steps of a curve's points, ascending. The last one is the length of the training.
        errors: ΔKL at these steps. NaN, where it was not logged, counts as above the limit.
        limit: The limit, 3 % in the thesis.

    """
    above = np.flatnonzero(~(errors < limit))
    since = steps[above[-1]] if len(above) else 0.0
    return float(1 - since / steps[-1])
