"""Scores of codes against factors. Each metric has one file and one entry in the table.

Two lines score codes from any source: `coded = Coded(codes, factors)`, then `score(coded, ["mig", "dci"])`. One line scores
an encoder: `score_encoder(encoder, DSprites(), ["mig", "dci"])`.
"""

from perturb.config.metrics import MetricsConfig
from perturb.metrics.coded import Coded, PartlyCoded
from perturb.metrics.encoder import encoded_by, score_encoder
from perturb.metrics.metric import Metric, Scores
from perturb.metrics.scoring import check_names, chosen_settings, rows_to_encode, score, score_defined, score_one
from perturb.metrics.table import METRICS, TABLE_METRICS

__all__ = [
    "METRICS",
    "TABLE_METRICS",
    "Coded",
    "Metric",
    "MetricsConfig",
    "PartlyCoded",
    "Scores",
    "check_names",
    "chosen_settings",
    "encoded_by",
    "rows_to_encode",
    "score",
    "score_defined",
    "score_encoder",
    "score_one",
]
