"""Active units (Burda, Grosse, Salakhutdinov 2016): how many latents say anything about the image."""

import numpy as np

from perturb.config.metrics import ActiveUnitsConfig
from perturb.metrics.coded import Coded
from perturb.metrics.metric import Scores


def compute_active_units(coded: Coded, settings: ActiveUnitsConfig, rng: np.random.Generator) -> Scores:
    """`active_units`: latents whose posterior means vary by more than `min_variance` over the data."""
    ((codes, _),) = coded.sample(settings, rng)
    return {"active_units": float((codes.var(axis=0, ddof=1) > settings.min_variance).sum())}
