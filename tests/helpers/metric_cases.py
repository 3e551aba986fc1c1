"""Fixed codes on which every metric is tested."""

from pathlib import Path

import numpy as np

from perturb.config.metrics import MetricsConfig
from perturb.datasets.renderers.mini import Mini
from perturb.metrics import Coded

SIZES = (3, 6, 8, 8, 8)
ROWS, TRAIN = 4_050, 2_700
FACTORS = np.random.default_rng(0).integers(0, SIZES, size=(ROWS, len(SIZES)))
IDENTITY = FACTORS / np.array(SIZES)
NOISE = np.random.default_rng(1).normal(size=(ROWS, 5))
ROTATION = np.linalg.qr(np.random.default_rng(3).normal(size=(5, 5)))[0]
SMALL = MetricsConfig.model_validate({
    "mig": {"num_train": 2000}, "mig_sup": {"num_train": 2000}, "modularity": {"num_train": 2000},
    "irs": {"num_train": 2000}, "unsupervised": {"num_train": 2000}, "mcc": {"num_train": 2000},
    "active_units": {"num_train": 2000},
    "dci": {"num_train": 400, "num_test": 200, "trees": 5}, "sap": {"num_train": 1000, "num_test": 500},
    "factor_vae": {"num_variance": 2000, "num_train": 400, "num_test": 400, "batch_size": 16},
    "beta_vae": {"num_train": 400, "num_test": 400, "batch_size": 16},
    "explicitness": {"num_train": 1000, "num_test": 500}, "disentanglement_score": {"num_train": 1600, "num_test": 400},
    "infomec": {"num_train": 400},
})  # fmt: skip
"""Metric settings for few rows."""
TRAINED = Path(__file__).parent.parent / "metrics" / "trained_codes.npz"
"""Posterior means of the most and the least entangled β-VAE of the quickstart, over the whole grid of mini."""


def _trained(name: str) -> Coded:
    with np.load(TRAINED, allow_pickle=False) as file:
        codes = file[name]
    grid = np.arange(Mini.grid.num_images)
    rows = np.random.default_rng(4).permutation(grid)[:4_050]
    return Coded(codes[rows].astype(np.float64), Mini.grid.factors_of(rows))


CASES = {
    "identity": Coded(IDENTITY, FACTORS),
    "mixed": Coded(np.tanh((IDENTITY - 0.5) @ np.random.default_rng(7).normal(size=(5, 8))), FACTORS),
    "rotated": Coded(IDENTITY @ ROTATION, FACTORS),
    "duplicated": Coded(np.concatenate([IDENTITY, IDENTITY], axis=1), FACTORS),
    "noisy": Coded(IDENTITY + 0.1 * NOISE, FACTORS),
    "noise": Coded(NOISE, FACTORS),
    "with a constant": Coded(np.concatenate([IDENTITY, np.full((ROWS, 1), 0.75)], axis=1), FACTORS),
    "all constant": Coded(np.full((ROWS, 3), 0.75), FACTORS),
    "one latent": Coded(IDENTITY[:, :1] + IDENTITY[:, 1:2], FACTORS),
    "disentangled model": _trained("disentangled"),
    "entangled model": _trained("entangled"),
}
