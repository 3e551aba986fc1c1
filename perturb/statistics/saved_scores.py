"""Configs and results of scoring runs."""

from dataclasses import dataclass, field

from perturb.config import DatasetConfig, MetricsConfig, Section


class ScoresRun(Section):
    """Scoring of one trained model."""

    dataset: DatasetConfig
    metrics: tuple[str, ...]
    settings: MetricsConfig
    seed: int
    """Seed for the sample of the grid."""


@dataclass(frozen=True, kw_only=True)
class ScoresResult:
    """The scores of one trained model, or why it has none."""

    failure: str | None
    scores: dict[str, float] | None
    """Score by metric, without refused metrics; None for a failed run."""
    details: dict[str, dict[str, float]] | None
    """All values that each metric returns, by metric and name; None for a failed run."""
    unit_variances: tuple[float, ...]
    """E[σ²] of each latent unit; empty for a failed run."""
    refused: dict[str, str] = field(default_factory=dict[str, str])
    """The reason for each metric that is not defined for the codes or could not be computed, by the metric's name."""
