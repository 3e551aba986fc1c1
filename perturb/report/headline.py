"""The answer of a study in sentences: what a score is, and by how much each variant and each contrast changes it.

A change is first − second with its sign, as its interval has it.
"""

from collections.abc import Sequence

import numpy as np

from perturb.metrics import METRICS
from perturb.report.words import certainty, listed, signed, where
from perturb.statistics.scores import BASELINE, Comparison, Score
from perturb.variants import CONTROLS, UNTRAINED

MAIN = "modified", "noise"
"""Variants that the claim is about."""


def headline(scores: Sequence[Score], metric: str, *, methods: Sequence[str], changes: Sequence[Comparison]) -> str:
    """Return what a score is on the original, mean over some methods, and by how much variants change it.

    Args:
        scores: of all runs.
        metric: key in METRICS.
        methods: whose mean is told, as the variational ones.
        changes: of these methods, each a variant against the original.

    Returns:
        One sentence.

    """
    started: dict[str, list[float]] = {}
    for score in scores:
        if score.method in methods and score.variant == BASELINE and score.values is not None:
            started.setdefault(score.method, []).append(score.values[metric])
    if not started:
        return f"{_whose(methods, metric)} cannot be told: all runs on the original failed."
    before = np.mean([np.mean(values) for values in started.values()])
    told = f"; it {_told(changes)}" if changes else ""
    return f"{_whose(methods, metric)} is {before:.2f} on the original{told}."


def further(changes: Sequence[Comparison]) -> str | None:
    """One sentence on what further variants change, each against the original; None without any."""
    if not changes:
        return None
    return f"{_whose(changes[0].methods, changes[0].metric)} {_told(changes)}."


def contrast(found: Comparison) -> str | None:
    """One sentence on a difference of two variants; None where nothing can be compared."""
    if found.difference is None:
        return None
    if found.second == BASELINE:
        return further([found])
    by, whose, sure = signed(found.difference), _whose(found.methods, found.metric), certainty(found, few="seeds")
    if found.first != "modified" or found.second not in UNTRAINED:
        return f"{whose} changes by {by} from {found.second} to {found.first} ({sure})."
    beyond = f"by {by} beyond {CONTROLS[found.second].beyond} ({sure})."
    if len(found.methods) == 1:
        return f"Training m_ψ changes {whose} {beyond}"
    return f"Averaged over {listed(found.methods)}, training m_ψ changes {METRICS[found.metric].title} {beyond}"


def _whose(methods: Sequence[str], metric: str) -> str:
    title = METRICS[metric].title
    return f"{methods[0]}'s {title}" if len(methods) == 1 else f"Averaged over {listed(methods)}, {title}"


def _told(changes: Sequence[Comparison]) -> str:
    """`changes by −0.40 on the modified images (…) and by +0.01 under noise of the same maximum (…)`."""
    there = [change for change in changes if change.difference is not None]
    parts = [f"by {signed(c.difference)} {where(c.first)} ({certainty(c, few='seeds')})" for c in there]
    missing = [where(change.first) for change in changes if change.difference is None]
    told = [f"changes {listed(parts)}"] if parts else []
    return " and ".join([*told, *([f"cannot be compared {listed(missing)}"] if missing else [])])
