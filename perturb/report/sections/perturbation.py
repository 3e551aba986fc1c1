"""The section “What the perturbation did”: each pattern's scalar, its pull on a VAE's axes, and the scores."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from perturb.analysis.prediction import Prediction, predict_for
from perturb.analysis.variances import Variances, induced_variances
from perturb.datasets import open_ground_truth
from perturb.datasets.saved_images import open_images, open_some
from perturb.escapes import in_figure
from perturb.metrics import METRICS
from perturb.perturbation.saved_networks import PatternResult, load_network
from perturb.perturbation.scalar import main_curves
from perturb.random.seeds import child_seed
from perturb.report import inputs, style
from perturb.report.findings import Findings
from perturb.report.section import Picture, Section
from perturb.report.sections.prediction import (
    METRIC,
    PredictedPattern,
    alt_of_prediction,
    correlations,
    draw_prediction,
    pattern_table,
    predicted_patterns,
)
from perturb.report.sections.scalar import alt_of_scalars, draw_scalars, scalar_table
from perturb.report.turning import draw_changes, draw_savings
from perturb.report.words import listed, signed
from perturb.statistics.scores import BASELINE, Comparison
from perturb.training.saved_models import load_model
from perturb.variants import NOISES, VARIANTS, VariantPattern

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

SAMPLE = 2_000
"""Maximum number of images for local variances, if the experiment has not measured them itself."""
CURVES = "modified", "untrained"
"""Variants whose scalars are plotted over each factor."""
HATCHES = "", "////", "....", "xxxx", "----"
"""Hatches of the bars of variants that share a colour."""
CAPTION = (
    "1: main effects of the factors on the scalar, a mean over patterns. 2: what one step of each factor changes, before "
    "and after. "
)
"""The caption of the panels of bars; the last ones follow."""
PANEL, LINE, LETTERS = 1.9, 0.17, 68
"""Heights in inches of a panel of bars and of a line of a legend, and the number of characters in such a line."""


def sections(findings: Findings, out: Path, device: str) -> Iterator[Section]:
    """Yield the section that explains the scores, from the scalar through the pixels to the loss of retrained models."""
    networks, patterns = _networks(findings), list(predicted_patterns(findings))
    savings, groups = _savings(findings, device), _changes(findings)
    metric, methods = findings.config.evaluation.metrics[0], [listed(names) for names in findings.groups]
    losses = _losses(patterns) if metric == METRIC else {}
    path = out / "perturbation.png"
    draw_perturbation(
        path, findings.grid.names, networks=networks, local=_local(findings, list(networks)), savings=savings, groups=groups,
        methods=methods, losses=losses, title=METRICS[metric].title,
    )  # fmt: skip
    last = ["what a VAE would save by turning its axes, predicted", "how the score changed"][not any(savings.values()) :]
    caption = CAPTION + " ".join(f"{number}: {shown}." for number, shown in enumerate(last, start=3))
    figures = [Picture(path, caption, _alt(savings, groups[0]))]
    truth, scalars = open_ground_truth(findings.config.dataset), out / "scalar.png"
    runs = {
        variant: findings.runs[inputs.of_pattern("pattern", VariantPattern(variant))]
        for variant in CURVES
        if variant in networks
    }
    curves = {name: main_curves(load_network(run, truth), truth.grid) for name, run in runs.items()}
    draw_scalars(scalars, curves, truth.grid.names)
    caption = "The scalar of the first pattern of each kind over each factor."
    figures.append(Picture(scalars, caption, alt_of_scalars(curves, truth.grid.names)))
    agreement = correlations(patterns)
    if agreement:
        draw_prediction(out / "prediction.png", patterns)
        caption = "A mark for each pattern: the predicted loss of MIG, and the measured loss."
        figures.append(Picture(out / "prediction.png", caption, alt_of_prediction(patterns)))
    tables = [scalar_table(networks, findings.grid.names), *([pattern_table(patterns)] if patterns else [])]
    yield Section(title="What the perturbation did", text=_text(findings, agreement), figures=figures, tables=tables)


def _text(findings: Findings, agreement: str) -> list[str]:
    """Return paragraphs on how the four steps are connected, how the prediction is made, and how good it was."""
    text = [
        "Each pattern is drawn along one scalar function of the factors. A scalar of several factors evens out their local "
        "variances and makes another set of axes cheaper to encode; one of a single factor moves images along that factor's "
        "own axis. A VAE that takes the saving turns its axes, and its score falls."
    ]
    if findings.selection is None:
        return text
    count = len(findings.selection.disentangled)
    whose = "the chosen β-VAE" if count == 1 else f"the {count} chosen β-VAEs"
    text.append(
        f"The saving is read off the codes that {whose} made of the original images, before anything is trained on a "
        "variant, and within the directions in which those vary, since a VAE reconstructs little of what lies outside them. "
        "The predicted loss is the MIG that these codes lose on the cheapest axes. No retrained model is involved in "
        "either: where they agree with the measured change, that is evidence, but no proof, that turned axes are its cause."
    )
    return [*text, *([agreement] if agreement else [])]


def _alt(savings: Mapping[str, Sequence[float]], changes: Mapping[str, Comparison]) -> str:
    """Return the alternative text, which gives the savings and the score changes of each variant in numbers."""
    saved = ", ".join(f"{np.mean(found):.2f} nats on {variant}" for variant, found in savings.items() if found)
    saving = f"Turning the axes would save {saved}. " if saved else ""
    changed = ", ".join(f"{signed(found.difference)} on {variant}" for variant, found in changes.items())
    return f"{'Four' if saved else 'Three'} panels of bars and marks. {saving}The score changed by {changed}."


def _networks(findings: Findings) -> dict[str, list[PatternResult]]:
    """Return the results of the networks that generate patterns, by variant."""
    drawn = dict.fromkeys(("modified", *findings.config.evaluation.variants))
    return {variant: found for variant in drawn if (found := findings.networks(variant))}


def _local(findings: Findings, variants: Sequence[str]) -> dict[str, Variances]:
    """Return local variances for the first pattern of each variant, from the experiment if measured, or from a sample."""
    known, seed = findings.variances, child_seed(findings.config.seed, "variances")
    columns = {variant: inputs.of_pattern("pixels", VariantPattern(variant)) for variant in variants}
    measured = partial(
        induced_variances, open_images(findings.runs[inputs.IMAGES]), grid=findings.grid, sample=SAMPLE, seed=seed
    )
    return {
        variant: known[variant] if variant in known else measured(open_some(findings.runs[column]))
        for variant, column in columns.items()
        if variant in known or column in findings.runs
    }


def _savings(findings: Findings, device: str) -> dict[str, list[float]]:
    """Return the saving from rotating the axes on each variant's images, one per pattern, in nats per unit of β.

    For patterns that a network generates, a separate run has predicted it. For originals and noise it is computed here.
    There is none without restarts, from whose codes it is predicted.
    """
    config, runs = findings.config, findings.runs
    if findings.selection is None:
        return {variant: [] for variant in config.evaluation.variants}
    originals = open_images(runs[inputs.IMAGES])
    models = [load_model(runs[inputs.trained(index)], device) for index in findings.selection.disentangled]
    look = partial(
        predict_for, models, originals, grid=findings.grid, seed=child_seed(config.seed, "prediction"),
        price=config.perturbation.alignment.price,
    )  # fmt: skip
    savings: dict[str, list[float]] = {}
    for variant in config.evaluation.variants:
        columns = [VariantPattern(variant, draw) for draw in range(config.draws(variant))]
        names = [inputs.of_pattern("prediction", column) for column in columns]
        savings[variant] = [findings.result(name, Prediction).saving for name in names if name in runs]
        if variant == BASELINE or variant in NOISES:
            savings[variant] = [look(open_some(runs[inputs.of_pattern("pixels", columns[0])])).saving]
    return savings


def _changes(findings: Findings) -> list[dict[str, Comparison]]:
    """Return the change of each variant against the original, for each group of methods."""
    return [
        {each.first: each for each in findings.averages if each.methods == names and each.second == BASELINE}
        for names in findings.groups
    ]


def _losses(patterns: Sequence[PredictedPattern]) -> dict[str, float]:
    """Return the predicted loss for each variant, averaged over its patterns."""
    found: dict[str, list[float]] = {}
    for pattern in patterns:
        found.setdefault(pattern.variant, []).append(pattern.predicted)
    return {variant: float(np.mean(losses)) for variant, losses in found.items()}


def draw_perturbation(
    path: Path,
    factors: Sequence[str],
    *,
    networks: Mapping[str, Sequence[PatternResult]],
    local: Mapping[str, Variances],
    savings: Mapping[str, Sequence[float]],
    groups: Sequence[Mapping[str, Comparison]],
    methods: Sequence[str],
    losses: Mapping[str, float],
    title: str,
) -> None:
    """Draw panels: main effects on the scalar and local variances by factor, savings and score changes by variant.

    Without any saving, its panel is left out. A legend above them explains the variants, and a legend below them the marks.

    Args:
        path: Path of the PNG.
        factors: Names of the factors.
        networks: Results of the networks that generate a variant's patterns.
        local: Variances that the factors induce in the variants' pixels, and in the original's.
        savings: Savings by variant, one number per pattern, in nats per unit of β.
        groups: For each group of methods, the change of each variant.
        methods: For each group, the names of its methods in words.
        losses: Predicted loss of the score for the first group, by variant.
        title: Title of the metric.

    """
    panels = _panels_of_bars(networks, local)
    drawn = dict.fromkeys([*savings, *(name for _, _, bars in panels for name in bars)])
    names = sorted(drawn, key=lambda name: name != BASELINE)
    variants, marks = _variant_handles(names), _mark_handles(savings, methods, losses, title)
    lines = [sum(str(handle.get_label()).count("\n") + 1 for handle in handles) for handles in (variants, marks)]
    above, below = (0.1 + LINE * count for count in lines)
    heights = [above] + [PANEL] * len(panels) + [1.2 + 0.3 * len(savings), below]
    figure = style.new_figure(sum(heights))
    rows = list(figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0])
    legend = {"loc": "center left", "fontsize": style.SMALL - 1, "frameon": False, "borderaxespad": 0.2}
    rows.pop(0).legend(handles=variants, **legend)
    for heading, unit, bars in panels:
        _bars(rows.pop(0).subplots(), bars, factors, looks=_looks(names), title=heading, unit=unit)
    *before, changes = rows[0].subplots(1, 2 if any(savings.values()) else 1, sharey=True, squeeze=False)[0]
    for panel in before:
        draw_savings(panel, savings)
        panel.set_title("3  Saved by turning", fontsize=style.NORMAL, loc="left")
    draw_changes(changes, list(savings), groups, title=title, losses=losses)
    changes.set_title(f"{3 + len(before)}  Score, measured", fontsize=style.NORMAL, loc="left")
    rows[1].legend(handles=marks, **legend)
    style.save(figure, path)


def _panels_of_bars(
    networks: Mapping[str, Sequence[PatternResult]], local: Mapping[str, Variances]
) -> list[tuple[str, str, dict[str, Sequence[float] | np.ndarray]]]:
    """Return title, unit and bar heights by variant, for each panel that can be drawn."""
    panels = []
    if networks:
        effects = {name: np.mean([one.scalar.main for one in found], axis=0) for name, found in networks.items()}
        panels.append(("1  The scalar follows: main effects", "share of the\nscalar's variance", effects))
    if local:
        first = next(iter(local.values()))
        heights = {BASELINE: [factor.locally.original for factor in first.factors]}
        heights |= {name: [factor.locally.variant for factor in found.factors] for name, found in local.items()}
        unit = "mean squared change\n(1: one channel of a\npixel, from 0 to full)"
        panels.append(("2  Local variance: change by one step", unit, heights))
    return panels


def _looks(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return colour and hatch of each variant's bars; variants with the same colour have different hatches."""
    looks, seen = {}, dict.fromkeys(map(style.colour, names), 0)
    for name in names:
        colour = style.colour(name)
        hatch = HATCHES[seen[colour] % len(HATCHES)]
        looks[name] = {"facecolor": colour, "hatch": hatch, "edgecolor": "white", "linewidth": 0.3}
        seen[colour] += 1
    return looks


def _variant_handles(names: Sequence[str]) -> "list[Artist]":
    """Return the entries of the legend above the panels: each variant with its pattern in words."""
    from matplotlib.patches import Patch

    looks = _looks(names)
    labels = {name: f"{name.replace('_', ' ')}: {_pattern_in_words(name)}" for name in names}
    return [Patch(label=fill(in_figure(labels[name]), LETTERS), **looks[name]) for name in names]


def _pattern_in_words(variant: str) -> str:
    """Return a phrase for what is added to a variant's images."""
    if variant not in VARIANTS:
        return "another trained pattern"
    facts = VARIANTS[variant]
    known = {"none": "no pattern", "trained": "the trained pattern"}
    return known.get(facts.pattern) or facts.where.partition(" ")[2]


def _mark_handles(
    savings: Mapping[str, Sequence[float]], methods: Sequence[str], losses: Mapping[str, float], title: str
) -> "list[Artist]":
    """Return the entries of the legend below the panels, which explain the marks of the last two."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    several = any(len(values) > 1 for values in savings.values())
    grey, mark = style.OTHER_COLOUR, {"marker": "o", "linewidth": 2, "markersize": 5.5, "markeredgewidth": 1.4}
    handles: list[Artist] = []
    if any(savings.values()):
        handles.append(Patch(color=grey, alpha=0.45, label="saving predicted before training, mean over patterns"))
    if several:
        handles.append(Line2D([], [], color=grey, linestyle="", marker="o", markersize=4, label="saving of one pattern"))
    for number, names in enumerate(methods):
        label = fill(in_figure(f"change measured with its 95 % interval: {names}"), LETTERS)
        handles.append(Line2D([], [], color=grey, markerfacecolor="white" if number else grey, label=label, **mark))
    if losses:
        label = f"change of {title} predicted before training"
        handles.append(Line2D([], [], color="black", linestyle="", marker="x", markersize=6, label=label))
    return handles


def _bars(
    axes: "Axes",
    heights: Mapping[str, Sequence[float] | np.ndarray],
    factors: Sequence[str],
    *,
    looks: Mapping[str, Mapping[str, Any]],
    title: str,
    unit: str,
) -> None:
    """Draw bars for each factor, one per variant."""
    width = 0.8 / len(heights)
    for number, (name, values) in enumerate(heights.items()):
        places = np.arange(len(factors)) + (number - (len(heights) - 1) / 2) * width
        axes.bar(places, values, width=width, label=in_figure(name.replace("_", " ")), **looks[name])
    words = ["\n".join(map(in_figure, name.split("_"))) for name in factors]  # short enough for six factors
    axes.set_xticks(range(len(factors)), words)
    axes.set_title(title, fontsize=style.NORMAL, loc="left")
    axes.set_ylabel(unit, fontsize=style.SMALL - 1)
    style.plain(axes, grid="y")
