"""The loss predicted for each pattern before any training on it, compared with the measured loss."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from perturb.analysis.prediction import Prediction
from perturb.report import inputs, style
from perturb.report.findings import Findings
from perturb.report.table import TextTable, plain_table
from perturb.report.tables import spread
from perturb.report.words import listed, signed
from perturb.statistics.ranks import rank_correlation
from perturb.statistics.scores import BASELINE
from perturb.variants import VariantPattern

METRIC = "mig"
FEWEST = 5
"""Minimum number of patterns of a kind for a rank correlation."""


@dataclass(frozen=True, kw_only=True)
class PredictedPattern:
    """A pattern with its predicted and its measured loss."""

    variant: str
    name: str
    """Name of the column: the variant, with a number from the second pattern on, as in `modified-3`."""
    saving: float
    """Nats per unit of β that rotating the axes would save; 0 if they are already the cheapest."""
    predicted: float
    """The MIG of the original codes minus their MIG on the axes that the pattern makes cheapest. Saving and prediction use
    the images' projection onto the directions in which the originals vary (analysis/prediction.py)."""
    predicted_whole: float
    """The prediction from the whole images."""
    measured: float
    """The loss of MIG of retrained models, original minus variant."""


def pattern_table(patterns: Sequence[PredictedPattern]) -> TextTable:
    """Build a table with a line for each pattern: the saving, and the predicted and measured loss of MIG."""
    lines = [
        [one.name, f"{one.saving:.2f}", *(spread(loss, None) for loss in (one.predicted, one.predicted_whole, one.measured))]
        for one in patterns
    ]
    columns = ["Pattern", "Saving", "Predicted loss", "Predicted from the whole image", "Measured loss"]
    note = "Saving in nats per unit of β. Losses of MIG; measured: mean over the retrained methods that the claim is about."
    return plain_table("Each pattern", columns, lines, note=note)


def alt_of_prediction(patterns: Sequence[PredictedPattern]) -> str:
    """Return the alternative text of the figure that `draw_prediction` draws."""
    spans = {name: [getattr(one, name) for one in patterns] for name in ("predicted", "measured")}
    losses = ", ".join(
        f"{name} losses from {signed(min(values))} to {signed(max(values))}" for name, values in spans.items()
    )
    return f"A scatter plot with one mark per pattern, and a dashed line where both are equal: {losses}."


def correlations(patterns: Sequence[PredictedPattern]) -> str:
    """Word the rank correlations over all patterns and within each kind; empty if there are none.

    Over two kinds that differ in both numbers there is a correlation even if the prediction does not rank patterns within
    either kind.
    """
    values = [_correlation(patterns, name) for name in ("predicted", "predicted_whole", "saving")]
    formatted = [spread(value, None) for value in values if value is not None]
    if len(formatted) < len(values):
        return ""
    overall, whole, saving = formatted
    kinds = {one.variant: [other for other in patterns if other.variant == one.variant] for one in patterns}
    within = {kind: _correlation(those, "predicted") for kind, those in kinds.items() if len(those) >= FEWEST}
    by_kind = [
        f"{spread(value, None)} over the {len(kinds[kind])} of {kind}" for kind, value in within.items() if value is not None
    ]
    apart = f"; within a kind it is {listed(by_kind)}" if by_kind and len(kinds) > 1 else ""
    return (
        f"Over these {len(patterns)} patterns, Spearman's rank correlation of predicted and measured loss is {overall}"
        f"{apart}. Predicted from the whole image it is {whole}; the correlation of saving and measured loss is {saving}."
    )


def _correlation(patterns: Sequence[PredictedPattern], name: str) -> float | None:
    return rank_correlation([getattr(one, name) for one in patterns], [one.measured for one in patterns])


def _methods(findings: Findings) -> list[str]:
    """Return the methods that the claim is about, or all methods if there are none of these."""
    evaluation = findings.config.evaluation
    return list(evaluation.thesis_vaes) or [method.name for method in evaluation.methods]


def predicted_patterns(findings: Findings) -> Iterator[PredictedPattern]:
    """Yield every pattern with a prediction and MIG scores."""
    values: dict[tuple[str, str, int], list[float]] = {}
    for score in findings.scores:
        if score.values is not None and METRIC in score.values:
            values.setdefault((score.method, score.variant, score.draw), []).append(score.values[METRIC])
    for variant in findings.config.evaluation.variants:
        for draw in range(findings.config.draws(variant)):
            column = VariantPattern(variant, draw)
            name = inputs.of_pattern("prediction", column)
            losses = [
                np.mean(values[method, BASELINE, 0]) - np.mean(values[method, variant, draw])
                for method in _methods(findings)
                if (method, BASELINE, 0) in values and (method, variant, draw) in values
            ]
            if name not in findings.runs or not losses:
                continue
            found = findings.result(name, Prediction)
            yield PredictedPattern(
                variant=variant,
                name=column.name,
                saving=found.saving,
                predicted=found.lost,
                predicted_whole=found.lost_whole,
                measured=float(np.mean(losses)),
            )


def draw_prediction(path: Path, patterns: Sequence[PredictedPattern]) -> None:
    """Plot the measured over the predicted loss of MIG, one mark per pattern; they are equal on the dashed line."""
    figure = style.new_figure(3.8)
    axes = figure.subplots()
    variants = list(dict.fromkeys(pattern.variant for pattern in patterns))
    for pattern in patterns:
        axes.scatter(
            pattern.predicted, pattern.measured, s=32, color=style.colour(pattern.variant),
            marker=style.marker(pattern.variant), alpha=0.85, linewidths=0,
        )  # fmt: skip
    low, high = (
        bound(0.0, *(value for pattern in patterns for value in (pattern.predicted, pattern.measured)))
        for bound in (min, max)
    )
    axes.plot([low, high], [low, high], color="#444444", linewidth=1, linestyle="--")
    style.plain(axes, grid="both")
    axes.set_xlabel("MIG lost, predicted without training", fontsize=style.NORMAL)
    axes.set_ylabel("MIG lost, measured", fontsize=style.NORMAL)
    style.legend_above(figure, style.variant_handles(variants, linewidth=0))
    style.save(figure, path)
