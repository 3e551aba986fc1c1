"""Trained VAEs of vectors with a Gaussian likelihood: their ELBOs, decoder columns, and differences between models.

A model holds several restarts. Everything is measured in float64, and every restart sees the same vectors, (n, values).
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from perturb.analysis.deterministic_elbo import best_elbo, elbo, log_likelihood, precision
from perturb.analysis.jacobians import jacobians
from perturb.analysis.orthogonality import column_cosines
from perturb.objectives import Objective
from perturb.objectives.likelihood import Gaussian
from perturb.objectives.posterior import FullGaussian, Posterior


@dataclass(frozen=True)
class Bounds:
    """ELBOs of each restart for β = 1 in nats, averaged over vectors; each field is (restarts,)."""

    sampled: np.ndarray
    """ELBOs estimated with codes drawn from the posteriors."""
    error: np.ndarray
    """Standard error of `sampled` over draws."""
    encoder: np.ndarray
    """Deterministic ELBOs (eq. 5) for the encoder's own covariances."""
    diagonal: np.ndarray
    """Deterministic ELBOs for the best diagonal covariances, given the decoder's Jacobians."""
    full: np.ndarray
    """Deterministic ELBOs for the best covariances of any form (eq. 10)."""


@torch.no_grad()
def posteriors(model: Objective, vectors: Float[np.ndarray, "n values"]) -> Posterior:
    """Return every restart's posteriors for the same vectors."""
    one = torch.from_numpy(vectors)[None, :, None, None].to(model.device)
    return model.posterior(one.expand(model.restarts, *one.shape[1:]))


@torch.no_grad()
def drawn(model: Objective, codes: Tensor) -> Tensor:
    """Decode codes (restarts, n, latents) to means, float64 (restarts, n, values)."""
    return model.networks["decoder"](codes.double()).flatten(2)


def column_cosine(model: Objective, vectors: Float[np.ndarray, "n values"]) -> Float[np.ndarray, " restarts"]:
    """Return the mean |cos| between two columns of the decoder's Jacobians at the vectors' codes, in [0, 1].

    The mean is over pairs of columns and over vectors.
    """
    found = _jacobians(model, posteriors(model, vectors).mean)
    first, second = np.triu_indices(found.shape[3], k=1)
    return np.array([column_cosines(one)[:, first, second].mean() for one in found])


def bounds(model: Objective, vectors: Float[np.ndarray, "n values"], *, draws: int, generator: torch.Generator) -> Bounds:
    """Compute the ELBOs of VAEs, both sampled and in closed form.

    Args:
        model: VAEs with β = 1, a Gaussian likelihood of fixed variance and a diagonal or full-covariance posterior.
        vectors: Vectors over which the ELBOs are averaged.
        draws: Number of codes drawn from each posterior.
        generator: Generator of their noise, on the CPU.

    """
    law, posterior = model.likelihood, posteriors(model, vectors)
    assert isinstance(law, Gaussian)
    variance = law.logvar[0].exp().item()
    targets = torch.from_numpy(vectors).to(model.device).double()
    means, kl = posterior.mean.cpu().numpy().astype(np.float64), posterior.kl().cpu().numpy().astype(np.float64)

    def likelihoods(codes: Tensor) -> np.ndarray:
        squared = (drawn(model, codes) - targets).square().sum(dim=2).cpu().numpy()
        return log_likelihood(squared, vectors.shape[1], variance)

    noise = [torch.randn(means.shape, generator=generator).to(model.device) for _ in range(draws)]
    each = np.stack([likelihoods(posterior.sample(one)).mean(axis=1) - kl for one in noise])
    at_means, covariances = likelihoods(posterior.mean), _covariances(posterior)
    rows = [
        (
            elbo(likelihood, mean, covariance, asked).mean(),
            best_elbo(likelihood, mean, asked, diagonal=True).mean(),
            best_elbo(likelihood, mean, asked, diagonal=False).mean(),
        )
        for likelihood, mean, covariance, slopes in zip(
            at_means, means, covariances, _jacobians(model, posterior.mean), strict=True
        )
        for asked in [precision(slopes, variance=variance)]
    ]
    return Bounds(each.mean(axis=0), each.std(axis=0, ddof=1) / np.sqrt(draws), *np.array(rows).T)


def differences(one: Objective, other: Objective, vectors: Float[np.ndarray, "n values"]) -> Float[np.ndarray, "2 restarts"]:
    """Measure how much two models' codes differ, and how much their decoders' outputs differ for the first model's codes.

    The root mean square differences are relative to the first model's deviation from its own mean: 0 for no difference, √2
    for codes or vectors that have nothing in common.
    """
    codes, others = (posteriors(model, vectors).mean for model in (one, other))
    return np.stack([_relative(codes, others), _relative(drawn(one, codes), drawn(other, codes))])


def _relative(one: Tensor, other: Tensor) -> np.ndarray:
    centred = one - one.mean(dim=1, keepdim=True)
    squares = [values.double().square().mean(dim=(1, 2)) for values in (one - other, centred)]
    return torch.sqrt(squares[0] / squares[1]).cpu().numpy()


def _covariances(posterior: Posterior) -> np.ndarray:
    """Return the posteriors' covariance matrices, float64 (restarts, n, latents, latents)."""
    if isinstance(posterior, FullGaussian):
        factor = posterior.factor.double()
        return (factor @ factor.mT).cpu().numpy()
    return torch.diag_embed(posterior.logvar.double().exp()).cpu().numpy()


def _jacobians(model: Objective, codes: Tensor) -> np.ndarray:
    """Return the decoders' Jacobians at codes, float64 (restarts, n, values, latents)."""
    return jacobians(model.networks["decoder"], codes.double()).cpu().numpy()
