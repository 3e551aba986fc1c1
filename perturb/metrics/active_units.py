"""Active units (Burda, Grosse, Salakhutdinov 2016): the number of latents that carry information about the image."""

import numpy as np

from perturb.config.metrics import ActiveUnitsConfig
from perturb.metrics.coded import Coded
from perturb.metrics.metric import Scores


def compute_active_units(coded: Coded, settings: ActiveUnitsConfig, rng: np.random.Generator) -> Scores:
    """Return `active_units`: the number of latents whose posterior means have a variance above `min_variance`."""
    ((codes, _),) = coded.sample(settings, rng)
    return {"active_units": float((codes.var(axis=0, ddof=1) > settings.min_variance).sum())}
