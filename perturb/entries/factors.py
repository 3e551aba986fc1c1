"""The ways in which codes hold factors, in the form of entries."""

from collections.abc import Mapping

from perturb.analysis.factor_directions import Held
from perturb.entries.entry import FactorOfRun

DECIMALS = 4
PENDING_FACTOR = Held(latent=0.1234, line=0.1234, readable=-0.1234)
"""A value at least as long as any real one, like those of entry.py."""


def factors_of_entry(held: Mapping[str, Held] | None) -> dict[str, FactorOfRun] | None:
    """Return the measurements of a run in the form of entries, rounded; None if there are none."""
    if held is None:
        return None
    return {
        name: FactorOfRun(
            latent=round(one.latent, DECIMALS), line=round(one.line, DECIMALS), readable=round(one.readable, DECIMALS)
        )
        for name, one in held.items()
    }
