"""All images of mini, rendered once per process for the tests that train or encode."""

from functools import cache

import numpy as np

from perturb.datasets.pixels import Pixels
from perturb.datasets.renderers.mini import Mini


@cache
def mini_pixels() -> Pixels:
    """Return the 4,096 images by number."""
    return Pixels(Mini().images(np.arange(len(Mini.grid))))
