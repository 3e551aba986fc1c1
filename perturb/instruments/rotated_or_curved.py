"""Is a code rotated or curved where a factor has no latent of its own, or is the factor missing?"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import JsonValue

from perturb.analysis.factor_directions import KINDS, LEAST_READABLE, STRAIGHT, held_by_name
from perturb.errors import UserError
from perturb.instruments.coder import external_model
from perturb.instruments.instrument import Answer, Instrument, Settings
from perturb.instruments.subject import Subjects, TrainedModel
from perturb.objectives.encode import encode
from perturb.random.seeds import numpy_generator, some_of
from perturb.report import style
from perturb.report.holding import WHY, Holding, by_method, kinds_of, shares_told
from perturb.report.section import Picture, Section
from perturb.report.table import TextTable, plain_table
from perturb.report.words import listed
from perturb.statistics.scores import BASELINE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

IMAGES = 4_000
"""Number of images whose codes are examined."""
COLOURS = "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb"


def answer(subjects: Subjects, settings: Settings) -> Answer:
    """Examine the codes of every finished model on the variant that it was trained on, or of an external model."""
    if subjects.kind == "model":
        found = {subjects.name: _external(subjects, settings)}
    else:
        variants = list(dict.fromkeys(model.variant for model in subjects.trained))
        chosen = subjects.some(settings.seeds, variants=variants)
        found = {model.label: one for model in chosen if (one := _trained(model, settings))}
    if not found:
        raise UserError(f"{subjects.name}: no finished training has a latent that varies over enough images.")
    models = list(found.values())
    path = settings.folder / "rotated-or-curved.png"
    draw_shares(path, models)
    caption = (
        "How codes hold each factor: a dot for each model and factor. At the top right, the factor has a latent of its own; "
        "at the top left, the code is rotated; below, it is curved; hollow: the factor is missing."
    )
    verdict = verdict_of(models)
    section = Section(
        title="Rotated or curved", text=[WHY], figures=[Picture(path, caption, verdict)], tables=[_table(models)]
    )
    return Answer(verdict=verdict, section=section, numbers={label: _numbers(one) for label, one in found.items()})


def _trained(model: TrainedModel, settings: Settings) -> Holding | None:
    """Examine a model of this package; None if no latent varies."""
    rng, grid, pixels = numpy_generator(settings.seed, "rotated-or-curved"), model.truth.grid, model.pixels
    images = some_of(len(pixels), IMAGES, rng)
    codes, _ = encode(model.objective(settings.device), pixels, images)
    held = held_by_name(codes, grid.factors_of(images), grid, rng)
    return Holding(model.method or model.label, model.variant, held) if held else None


def _external(subjects: Subjects, settings: Settings) -> Holding:
    outside, rng = external_model(subjects, settings), numpy_generator(settings.seed, "rotated-or-curved")
    images = some_of(len(outside.truth.grid), IMAGES, rng)
    held = held_by_name(outside.codes(images), outside.truth.grid.factors_of(images), outside.truth.grid, rng)
    if held is None:
        raise UserError(f"{subjects.name}: no latent varies over the images, or there are too few of these ({len(images)}).")
    return Holding(subjects.name, BASELINE, held)


def _groups(found: Sequence[Holding]) -> list[tuple[str, str, list[Holding]]]:
    """Group models by method and variant."""
    return [
        (method, variant, [model for model in models if model.variant == variant])
        for method, models in by_method(found).items()
        for variant in kinds_of(models)
    ]


def _table(found: Sequence[Holding]) -> TextTable:
    lines = []
    for method, variant, models in _groups(found):
        for name in models[0].factors:
            held = [one.factors[name] for one in models]
            means = [np.mean([getattr(one, key) for one in held]) for key in ("latent", "line", "readable")]
            counts = Counter(one.kind for one in held)
            told = [str(counts[kind]) if counts[kind] else "–" for kind in KINDS]
            lines.append((method, variant, name, *(f"{mean:.2f}".replace("-", "−") for mean in means), *told))
    note = (
        f"Codes of at most {IMAGES:,} images. Latent, line: largest share of the variance along a latent, or along any line "
        "of the code, that the factor explains. Readable: 1 if the nearest neighbours of an image in the code share its "
        "factor, 0 if they are no more alike than any images. All are means over models. The last columns count models: the "
        f"latent's share is at least {STRAIGHT}, the line's is, or neither (missing if readable < {LEAST_READABLE})."
    )
    header = "Method", "variant", "factor", "latent", "line", "readable", *KINDS
    return plain_table("How codes hold the factors", header, lines, note=note)


def _numbers(found: Holding) -> dict[str, JsonValue]:
    return {
        name: {"latent": held.latent, "line": held.line, "readable": held.readable, "kind": held.kind}
        for name, held in found.factors.items()
    }


def verdict_of(found: Sequence[Holding]) -> str:
    """Word the verdict: for each method and variant, the share of factors that codes hold in each way."""
    told = {
        method: "; ".join(f"{variant} {listed(shares_told(kinds))}" for variant, kinds in kinds_of(models).items())
        for method, models in by_method(found).items()
    }
    return "Factors in the codes. " + " ".join(f"{method}: {shares}." for method, shares in told.items())


def draw_shares(path: Path, found: Sequence[Holding]) -> None:
    """Plot the line's share over the latent's, one panel per variant, one colour per factor, hollow if it is missing."""
    from matplotlib.lines import Line2D

    variants = list(dict.fromkeys(one.variant for one in found))
    names = list(found[0].factors)
    colours = dict(zip(names, COLOURS * len(names), strict=False))
    columns = min(len(variants), 3)
    rows = -(-len(variants) // columns)
    figure = style.new_figure(0.6 + 2.2 * rows if columns > 1 else 3.6)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for panel in panels[len(variants) :]:
        panel.set_visible(False)
    for panel, variant in zip(panels, variants, strict=False):
        _draw_variant(panel, [one for one in found if one.variant == variant], colours)
        panel.set_title(variant, fontsize=style.SMALL)
        panel.set_xlabel("along a latent", fontsize=style.SMALL)
    for panel in panels[::columns]:
        panel.set_ylabel("along a line", fontsize=style.SMALL)
    handles = [Line2D([], [], color=colours[name], marker="o", linestyle="", label=name.replace("_", " ")) for name in names]
    style.legend_above(figure, handles)
    style.save(figure, path)


def _draw_variant(panel: "Axes", found: Sequence[Holding], colours: Mapping[str, str]) -> None:
    panel.plot([0, 1], [0, 1], color="#cccccc", linewidth=1)
    panel.axhline(STRAIGHT, color="#cccccc", linestyle="--", linewidth=1)
    panel.axvline(STRAIGHT, color="#cccccc", linestyle="--", linewidth=1)
    for one in found:
        for name, held in one.factors.items():
            fill = "none" if held.kind == "missing" else colours[name]
            panel.plot(held.latent, held.line, "o", color=colours[name], markerfacecolor=fill, alpha=0.6, markersize=5)
    panel.set_xlim(-0.03, 1.03)
    panel.set_ylim(-0.03, 1.03)
    style.plain(panel, grid="both")


INSTRUMENT = Instrument(
    name="rotated-or-curved",
    question="Where a factor has no latent of its own, is the code rotated or curved, or is the factor missing?",
    source="thesis 4.3.6, Figures 4.10 and 4.11 (cartesian and polar codes)",
    takes=("config", "run", "model"),
    cost="seconds per model",
    answer=answer,
)
