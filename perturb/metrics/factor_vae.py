"""FactorVAE score (Kim and Mnih 2018), as in disentanglement_lib.

For each vote, a factor is drawn, and a batch of images that share its value. The latent that varies least, relative to its
global variance, votes for the factor. A classifier that maps each latent to its most frequent factor is tested on new votes.
"""

from typing import Any

import numpy as np

from perturb.config.metrics import FactorVAEScoreConfig
from perturb.datasets.ground_truth import FactorGrid
from perturb.metrics.coded import Coded, nonconstant
from perturb.metrics.metric import Scores

ROWS_AT_ONCE = 2**18


def compute_factor_vae(coded: Coded, settings: FactorVAEScoreConfig, rng: np.random.Generator) -> Scores:
    """Return `factor_vae` (test accuracy) and `factor_vae_train` in [0, 1], higher is better; 0 without an active latent.

    It also returns `factor_vae_active`, the number of active latents. Batches are drawn with replacement from the rows that
    share a value, which matches disentanglement_lib on a complete grid.
    """
    sample, *votes = draw(coded, settings, rng)
    codes = coded.codes[coded.positions_of(sample)]
    variances = codes.var(axis=0, ddof=1)
    active = np.flatnonzero((np.sqrt(variances) >= settings.min_std) & nonconstant(codes))
    if len(active) == 0:
        return {"factor_vae": 0.0, "factor_vae_train": 0.0, "factor_vae_active": 0.0}
    tables: list[np.ndarray] = []
    for fixed, rows in votes:
        winners = least_varying(coded.codes, coded.positions_of(rows), active, variances)
        tables.append(vote_table(fixed, winners, coded.num_factors, len(active)))
    train, test = accuracies(*tables)
    return {"factor_vae": test, "factor_vae_train": train, "factor_vae_active": float(len(active))}


def rows_of_factor_vae(grid: FactorGrid, settings: FactorVAEScoreConfig, rng: np.random.Generator) -> np.ndarray:
    """Return the indices of the images whose codes `compute_factor_vae` reads, int64 (n,)."""
    sample, *votes = draw(grid, settings, rng)
    return np.concatenate([sample, *(rows.ravel() for _, rows in votes)])


def draw(source: Coded | FactorGrid, settings: FactorVAEScoreConfig, rng: np.random.Generator) -> tuple[Any, ...]:
    """Draw rows for the global variances, and batches for training and test votes; the draw does not depend on codes."""
    sample = rng.integers(len(source), size=settings.num_variance)
    counts = settings.num_train, settings.num_test
    return sample, *(draw_batches(source, count, settings.batch_size, rng) for count in counts)


def draw_batches(
    source: Coded | FactorGrid, votes: int, batch: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a factor for each vote (votes,), and rows that share its value (votes, batch); a random row gives the value."""
    fixed = rng.integers(source.num_factors, size=votes)
    firsts = rng.integers(len(source), size=votes)
    rows = np.empty((votes, batch), dtype=np.int64)
    for factor in range(source.num_factors):
        mine = fixed == factor
        rows[mine] = source.sample_sharing_factor(firsts[mine], factor, batch, rng)
    return fixed, rows


def least_varying(codes: np.ndarray, rows: np.ndarray, active: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """Return the active latent that varies least in each batch of rows (votes, batch), as a position in `active`."""
    part = max(1, ROWS_AT_ONCE // rows.shape[1])
    chosen, scale = codes[:, active], variances[active]
    parts = (rows[start : start + part] for start in range(0, len(rows), part))
    return np.concatenate([(chosen[some].var(axis=1, ddof=1) / scale).argmin(axis=1) for some in parts])


def vote_table(factors: np.ndarray, latents: np.ndarray, num_factors: int, num_latents: int) -> np.ndarray:
    """Return how often a latent voted for a factor, int64 (factors, latents)."""
    counts = np.bincount(factors * num_latents + latents, minlength=num_factors * num_latents)
    return counts.reshape(num_factors, num_latents)


def accuracies(train: np.ndarray, test: np.ndarray) -> tuple[float, float]:
    """Return the accuracies of the first table's majority classifier on the first and on the second table."""
    classes, latents = train.argmax(axis=0), np.arange(len(train.T))
    in_train, in_test = (float(table[classes, latents].sum() / table.sum()) for table in (train, test))
    return in_train, in_test
