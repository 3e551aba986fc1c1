"""Select the most and the least entangled of the scored restarts (thesis 4.2.3 and 4.3.6)."""

from collections.abc import Sequence
from dataclasses import dataclass

from perturb.config import Section, SelectionConfig
from perturb.errors import UserError
from perturb.metrics import METRICS


class SelectionRun(Section):
    """The selection of the most and the least entangled restarts."""

    selection: SelectionConfig


@dataclass(frozen=True, kw_only=True)
class ScoredRestart:
    """The properties of a restart that the selection uses."""

    index: int
    """Index of the restart."""
    score: float | None
    """Score by the selection's metric; None for a failed restart."""
    unit_variances: tuple[float, ...]
    """E[σ²] of each latent unit; empty for a failed restart."""
    failure: str | None
    """The reason why the training was given up, or None."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Indices of the selected restarts, each group starting with the most extreme."""

    disentangled: tuple[int, ...]
    entangled: tuple[int, ...]
    set_aside: dict[int, str]
    """Restarts that were not eligible, and why."""
    scores: dict[int, float | None]
    """Score of every restart; None for a failed one."""

    @property
    def sides(self) -> dict[str, tuple[int, ...]]:
        """The two groups by name."""
        return {"disentangled": self.disentangled, "entangled": self.entangled}


def over_pruned(unit_variances: Sequence[float], *, limit: float, factors: int) -> bool:
    """Return whether fewer units are active than there are factors (thesis 4.3.4).

    Units beyond the number of factors may be unused. If a model has fewer units than factors, all must be active.

    Args:
        unit_variances: Posterior variance of each latent unit, averaged over the data; empty if a model has none.
        limit: Units with at least this posterior variance are not active.
        factors: Number of factors of the dataset.

    """
    return _active(unit_variances, limit) < min(factors, len(unit_variances))


def _active(unit_variances: Sequence[float], limit: float) -> int:
    return sum(variance < limit for variance in unit_variances)


def select(restarts: list[ScoredRestart], config: SelectionConfig, *, factors: int) -> Selection:
    """Rank the eligible restarts by the metric and keep `config.keep` at each end.

    A restart is eligible if its training did not fail and it is not over-pruned: a collapsed model has a low score without
    being entangled. Ties are broken by index: the restart with the lower index counts as less entangled.

    Args:
        restarts: All restarts.
        config: Settings: the metric, how many to keep, and the limit for active units.
        factors: Number of factors of the dataset.

    Raises:
        UserError: If fewer than 2 · keep restarts are eligible.

    """
    reasons = {restart.index: _why_not(restart, config, factors) for restart in restarts}
    eligible = [restart for restart in restarts if reasons[restart.index] is None]
    needed = 2 * config.keep
    set_aside = {index: reason for index, reason in reasons.items() if reason is not None}
    if len(eligible) < needed:
        listed = "; ".join(f"restart {index}: {reason}" for index, reason in set_aside.items())
        raise UserError(
            f"selection needs {needed} eligible restarts (2 × selection.keep), and {len(eligible)} of {len(restarts)} are "
            f"({listed}); raise restarts.num, lower restarts.objective.beta, or lower selection.keep."
        )
    sign = -1 if METRICS[config.metric].higher_is_better else 1
    ranked = [index for _, index in sorted((sign * r.score, r.index) for r in eligible if r.score is not None)]
    return Selection(
        disentangled=tuple(ranked[: config.keep]),
        entangled=tuple(ranked[::-1][: config.keep]),
        set_aside=set_aside,
        scores={restart.index: restart.score for restart in restarts},
    )


def _why_not(restart: ScoredRestart, config: SelectionConfig, factors: int) -> str | None:
    if restart.failure is not None:
        return f"failed ({restart.failure})"
    variances, limit = restart.unit_variances, config.max_unit_variance
    if over_pruned(variances, limit=limit, factors=factors):
        active = _active(variances, limit)
        return f"over-pruned ({active} active units, mean posterior variance < {limit:g}, for {factors} factors)"
    return None
