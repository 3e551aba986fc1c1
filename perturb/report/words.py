"""Phrases for a variant, a change, an interval and a p-value."""

from collections.abc import Sequence

from perturb.statistics.intervals import SIGNIFICANCE
from perturb.statistics.scores import Comparison, Row
from perturb.variants import VARIANTS


def where(variant: str) -> str:
    """Return a phrase for a variant, such as `on the modified images`; for an alternative m_ψ, `on` and its name."""
    return VARIANTS[variant].where if variant in VARIANTS else f"on {variant}"


def signed(value: float | None) -> str:
    """Format a number with its sign and two decimals, with a proper minus sign; a dash for None."""
    return "–" if value is None else f"{value:+.2f}".replace("-", "−")


def interval(found: Row | Comparison) -> str:
    """Format an interval, for example `[−0.43, −0.31]`; a dash if there is none."""
    return "–" if found.ci_low is None else f"[{signed(found.ci_low)}, {signed(found.ci_high)}]"


def probability(p: float | None) -> str:
    """Format a p-value: `0.043`, `<0.001`."""
    if p is None:
        return "–"
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def share(value: float, decimals: int = 0) -> str:
    """Format a share as a percentage, for example `27%`."""
    return f"{value:.{decimals}%}".replace("-", "−")


def may_be_chance(found: Row | Comparison) -> bool:
    """Return whether a change may be chance.

    A comparison in a family is judged by its Holm-adjusted p-value, any other by whether its interval contains 0.
    """
    if found.p_holm is not None:
        return found.p_holm >= SIGNIFICANCE
    return found.ci_low is not None and found.ci_high is not None and found.ci_low <= 0 <= found.ci_high


def certainty(found: Row | Comparison, *, few: str) -> str:
    """Return `95 % interval [−0.43, −0.31]` and whether the change may be chance, or `too few seeds for an interval`.

    Args:
        found: A row or comparison with a difference.
        few: What there may be too few of: "seeds" or "pairs".

    """
    if found.ci_low is None:
        return f"too few {few} for an interval"
    verdict = ""
    if may_be_chance(found):
        alone = found.ci_high is None or not found.ci_low <= 0 <= found.ci_high
        verdict = ", which may be chance" + (" among so many comparisons" if alone else "")
    return f"95 % interval {interval(found)}{verdict}"


def listed(names: Sequence[str]) -> str:
    """Join names as `A`, `A and B`, or `A, B and C`."""
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
