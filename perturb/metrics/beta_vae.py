# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
"""BetaVAE score (Higgins et al. 2017), as in disentanglement_lib: can one predict which factor a batch of pairs shares?"""

import numpy as np

from perturb.config.metrics import BetaVAEScoreConfig
from perturb.datasets.ground_truth import FactorGrid
from perturb.metrics.coded import Coded
from perturb.metrics.metric import Scores

PAIRS_AT_ONCE = 2**18
Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]


def compute_beta_vae(coded: Coded, settings: BetaVAEScoreConfig, rng: np.random.Generator) -> Scores:
    """Return `beta_vae` (test accuracy) and `beta_vae_train` in [0, 1], higher is better; 1 if there is only one factor."""
    from sklearn.linear_model import LogisticRegression

    if coded.num_factors == 1:
        return {"beta_vae": 1.0, "beta_vae_train": 1.0}
    train, test = (
        (mean_differences(coded.codes, coded.positions_of(first), coded.positions_of(second)), fixed)
        for fixed, first, second in draw(coded, settings, rng)
    )
    model = LogisticRegression(random_state=0)
    model.fit(*train)
    return {"beta_vae": float(model.score(*test)), "beta_vae_train": float(model.score(*train))}


def rows_of_beta_vae(grid: FactorGrid, settings: BetaVAEScoreConfig, rng: np.random.Generator) -> np.ndarray:
    """Return the indices of the images whose codes `compute_beta_vae` reads, int64 (n,)."""
    return np.concatenate([rows.ravel() for _, *pairs in draw(grid, settings, rng) for rows in pairs])


def draw(source: Coded | FactorGrid, settings: BetaVAEScoreConfig, rng: np.random.Generator) -> list[Pairs]:
    """Draw the pairs for training and for testing the classifier; the draw does not depend on the codes."""
    return [draw_pairs(source, count, settings.batch_size, rng) for count in (settings.num_train, settings.num_test)]


def draw_pairs(source: Coded | FactorGrid, count: int, batch: int, rng: np.random.Generator) -> Pairs:
    """Draw a factor for each batch (count,), and pairs of rows that share its value: two int64 arrays (count, batch)."""
    fixed = rng.integers(source.num_factors, size=count)
    first = rng.integers(len(source), size=(count, batch))
    second = np.empty_like(first)
    for factor in range(source.num_factors):
        mine = fixed == factor
        second[mine] = source.sample_sharing_factor(first[mine].ravel(), factor, 1, rng).reshape(-1, batch)
    return fixed, first, second


def mean_differences(codes: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the mean of |z − z′| over each batch's pairs of rows, (count, latents), for rows (count, batch)."""
    part = max(1, PAIRS_AT_ONCE // first.shape[1])
    parts = (slice(start, start + part) for start in range(0, len(first), part))
    return np.concatenate([np.abs(codes[first[some]] - codes[second[some]]).mean(axis=1) for some in parts])
