"""DtO and DS of models of vectors: how orthogonal their decoders' columns are, and how well their latents match the factors.

With two latents, V of the decoder's J = U S Vᵀ rotates or reflects the plane. A rotation by φ from the nearest signed
permutation, at most 45°, has a DtO of 2√2 sin(φ/2). This is at most 1.08, and 0.55 on average over all directions. Columns
with independently drawn entries have a higher DtO: they are about equally long, so the directions of V lie between them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float

from perturb.analysis.jacobians import jacobians
from perturb.analysis.linear_vae import LinearVAE
from perturb.analysis.orthogonality import orthogonality
from perturb.analysis.precision import rotation
from perturb.datasets.samples import Samples
from perturb.datasets.synthetic import Synthetic
from perturb.metrics.disentanglement_score import continuous_score
from perturb.objectives import Objective
from perturb.random.seeds import numpy_generator
from perturb.training.loop import ACTIVE

POINTS = 200
"""Number of vectors at whose codes Jacobians are computed."""
STEP = 1e-5
"""Step of the finite differences for the derivatives of embeddings."""
CHANCE = float(16 * np.sqrt(2) / np.pi * (1 - np.cos(np.pi / 8)))
"""Mean DtO of a plane rotated by a uniformly random angle, 0.55."""


@dataclass(frozen=True)
class Measured:
    """DtO and DS of several models of one method."""

    distances: Float[np.ndarray, " models"]
    """DtO averaged over points; NaN if a latent is pruned."""
    scores: Float[np.ndarray, " models"]
    """DS in [0, 1]; NaN if a latent is pruned, or if the model is a decoder alone."""
    active: Bool[np.ndarray, "models latents"]
    """True for latents whose mean posterior variance is below 0.8."""


@torch.no_grad()
def of_networks(model: Objective, sets: Sequence[Samples], *, seed: int) -> Measured:
    """Measure networks: DtO at the codes of some vectors, and DS over all vectors.

    Args:
        model: Model with one restart per set.
        sets: Held-out vectors with their factors, the same number in each set.
        seed: Seed for the rows from which DS predicts the others.

    """
    model.networks.eval()
    vectors = torch.from_numpy(np.stack([one.values for one in sets]))[:, :, None, None].to(model.device)
    posterior = model.posterior(vectors)
    distances = mean_distances(model, posterior.mean[:, :POINTS])
    variances = posterior.logvar.double().exp().mean(dim=1).cpu().numpy()
    return _measured(distances, list(posterior.mean.cpu().numpy()), variances, sets, seed)


def of_linear(models: Sequence[LinearVAE], sets: Sequence[Samples], *, seed: int) -> Measured:
    """Measure linear models, whose decoder matrix is the Jacobian at every code; arguments as for `of_networks`."""
    decoders = np.stack([model.decoder for model in models])
    codes = [(one.values - model.mean) @ model.encoder.T for model, one in zip(models, sets, strict=True)]
    distances = orthogonality(decoders, range(decoders.shape[2])).distances
    return _measured(distances, codes, np.stack([model.variances for model in models]), sets, seed)


def _measured(
    distances: np.ndarray, codes: Sequence[np.ndarray], variances: np.ndarray, sets: Sequence[Samples], seed: int
) -> Measured:
    active = variances < ACTIVE
    kept = active.all(axis=1)
    scores = [continuous_score(code, one.known, numpy_generator(seed, "ds")) for code, one in zip(codes, sets, strict=True)]
    return Measured(np.where(kept, distances, np.nan), np.where(kept, scores, np.nan), active)


def mean_distances(model: Objective, codes: torch.Tensor) -> Float[np.ndarray, " restarts"]:
    """Return the DtO of each restart's decoder, averaged over its codes (restarts, n, latents)."""
    found = jacobians(model.networks["decoder"].eval(), codes.double()).double().cpu().numpy()
    return np.array([orthogonality(matrices, range(model.latents)).distances.mean() for matrices in found])


def random_decoders(model: Objective, *, seed: int) -> Measured:
    """Measure the DtO of untrained decoders at codes drawn from the prior. Without an encoder, DS is not defined."""
    noise = numpy_generator(seed, "random decoder").normal(size=(model.restarts, POINTS, model.latents))
    distances = mean_distances(model, torch.from_numpy(noise).to(model.device))
    return Measured(distances, np.full(model.restarts, np.nan), np.ones((model.restarts, model.latents), bool))


def factors_distance(synthetic: Synthetic, factors: Float[np.ndarray, "n 2"]) -> float:
    """Return the DtO of the factors themselves as a code: the DtO of the embedding's Jacobians, averaged over n points."""
    along = STEP * np.eye(2)
    columns = [(synthetic.embedding(factors + one) - synthetic.embedding(factors - one)) / (2 * STEP) for one in along]
    return float(orthogonality(np.stack(columns, axis=2), (0, 1)).distances.mean())


def turned_square(angles: Sequence[float], *, seed: int, n: int = 5_000) -> Float[np.ndarray, "angles 2"]:
    """Return DtO and DS of codes that are two uniform factors rotated by each angle, in degrees within [0, 45]."""
    factors = numpy_generator(seed, "turned square").random((n, 2))
    pairs: list[tuple[float, float]] = []
    for angle in angles:
        score = continuous_score(factors @ rotation(angle), factors, numpy_generator(seed, "ds"))
        pairs.append((2 * np.sqrt(2) * np.sin(np.radians(angle) / 2), score))
    return np.array(pairs)
