"""DtO and DS of models of vectors: how orthogonal their decoders' columns are, and how well their latents fit the factors.

Of two latents, V of the decoder's J = U S Vᵀ turns or mirrors the plane. A turn by φ from the nearest signed permutation, at
most 45°, has the DtO 2√2 sin(φ/2), which is 1.08 at most, and 0.55 on average over all directions. Columns whose entries are
drawn one by one have more than that: they are about equally long, and then the directions of V lie between them.
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
"""Vectors at whose codes Jacobians are taken."""
STEP = 1e-5
"""Width of the differences by which embeddings are derived."""
CHANCE = float(16 * np.sqrt(2) / np.pi * (1 - np.cos(np.pi / 8)))
"""Mean DtO of a plane turned to any direction with the same probability, 0.55."""


@dataclass(frozen=True)
class Measured:
    """DtO and DS of some models of one method."""

    distances: Float[np.ndarray, " models"]
    """DtO, mean over points; NaN where a latent is pruned."""
    scores: Float[np.ndarray, " models"]
    """DS in [0, 1]; NaN where a latent is pruned, and of decoders alone."""
    active: Bool[np.ndarray, "models latents"]
    """Latents whose mean posterior variance is below 0.8."""


@torch.no_grad()
def of_networks(model: Objective, sets: Sequence[Samples], *, seed: int) -> Measured:
    """Measure networks: DtO at the codes of some vectors, and DS over all of them.

    Args:
        model: of a restart for each set.
        sets: vectors that no training has seen, and their factors; as many in each.
        seed: of the rows by which DS predicts the others.

    """
    model.networks.eval()
    vectors = torch.from_numpy(np.stack([one.values for one in sets]))[:, :, None, None].to(model.device)
    posterior = model.posterior(vectors)
    distances = mean_distances(model, posterior.mean[:, :POINTS])
    variances = posterior.logvar.double().exp().mean(dim=1).cpu().numpy()
    return _measured(distances, list(posterior.mean.cpu().numpy()), variances, sets, seed)


def of_linear(models: Sequence[LinearVAE], sets: Sequence[Samples], *, seed: int) -> Measured:
    """Measure linear models, whose decoders are their own Jacobians at every code; arguments otherwise as `of_networks`."""
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
    """Return the DtO of each restart's decoder, as a mean over its codes (restarts, n, latents)."""
    found = jacobians(model.networks["decoder"].eval(), codes.double()).double().cpu().numpy()
    return np.array([orthogonality(matrices, range(model.latents)).distances.mean() for matrices in found])


def random_decoders(model: Objective, *, seed: int) -> Measured:
    """Measure the DtO of untrained decoders at codes drawn from the prior. Without an encoder there is no DS."""
    noise = numpy_generator(seed, "random decoder").normal(size=(model.restarts, POINTS, model.latents))
    distances = mean_distances(model, torch.from_numpy(noise).to(model.device))
    return Measured(distances, np.full(model.restarts, np.nan), np.ones((model.restarts, model.latents), bool))


def factors_distance(synthetic: Synthetic, factors: Float[np.ndarray, "n 2"]) -> float:
    """Return the DtO of the factors themselves as a code: the mean over n points of that of the embedding's Jacobians."""
    along = STEP * np.eye(2)
    columns = [(synthetic.embedding(factors + one) - synthetic.embedding(factors - one)) / (2 * STEP) for one in along]
    return float(orthogonality(np.stack(columns, axis=2), (0, 1)).distances.mean())


def turned_square(angles: Sequence[float], *, seed: int, n: int = 5_000) -> Float[np.ndarray, "angles 2"]:
    """Return DtO and DS of codes that are two uniform factors turned by angles in degrees, each in [0, 45]."""
    factors = numpy_generator(seed, "turned square").random((n, 2))
    found: list[tuple[float, float]] = []
    for angle in angles:
        score = continuous_score(factors @ rotation(angle), factors, numpy_generator(seed, "ds"))
        found.append((2 * np.sqrt(2) * np.sin(np.radians(angle) / 2), score))
    return np.array(found)
