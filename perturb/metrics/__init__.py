"""Scores of codes against factors. One file a metric, one line in the table."""

from perturb.metrics.metric import Metric
from perturb.metrics.mig import compute_mig

METRICS: dict[str, Metric] = {
    "mig": Metric(title="MIG", compute=compute_mig, higher_is_better=True),
}
"""Keys of EvaluationConfig.metrics."""

__all__ = ["METRICS", "Metric", "compute_mig"]
