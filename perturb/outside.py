"""The old name of `perturb.external`. It works with a warning until version 0.4."""

import warnings

from perturb import external


def __getattr__(name: str) -> object:
    """Return a name of `perturb.external`, with a warning (PEP 562)."""
    if name not in external.__all__:
        raise AttributeError(f"module 'perturb.outside' has no attribute {name!r}")
    warnings.warn(
        f"perturb.outside is now called perturb.external; import {name} from there.", DeprecationWarning, stacklevel=2
    )
    return getattr(external, name)
