"""The ways in which codes hold factors, counted, worded and drawn; analysis/factor_directions.py defines them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from perturb.analysis.factor_directions import KINDS, LEAST_READABLE, STRAIGHT, Held, Kind
from perturb.escapes import in_figure
from perturb.report import style
from perturb.report.table import Cell, TextTable
from perturb.report.words import listed, share, where

WHY = (
    "A low MIG has several causes. A rotated code still has a straight line for each factor, only not along a latent. "
    "A curved one has no such line, although the factor can be read from it: positions in polar coordinates, for "
    "example. A missing factor cannot be read at all. The theory says that a pattern rotates codes."
)
MEANING = (
    f"Own latent: a factor explains at least {STRAIGHT:.0%} of the variance along a latent. Rotated: along another straight "
    "line of the code. Curved: along none, although neighbours in the code share the factor. Missing: they do not "
    f"(readable < {LEAST_READABLE})."
)
BAR = 0.24
"""Height of a bar in inches."""
COLOURS: dict[Kind, str] = {"own latent": "#4477aa", "rotated": "#66ccee", "curved": "#ee6677", "missing": "#dddddd"}


@dataclass(frozen=True)
class Holding:
    """One model, and the way in which its code holds each factor."""

    method: str
    variant: str
    factors: Mapping[str, Held]
    """Factors by name."""


def kinds_of(models: Sequence[Holding]) -> dict[str, Counter[Kind]]:
    """Count, for each variant, the factors of all models that are held in each way."""
    counts: dict[str, Counter[Kind]] = {}
    for model in models:
        counts.setdefault(model.variant, Counter()).update(held.kind for held in model.factors.values())
    return counts


def by_method(models: Sequence[Holding]) -> dict[str, list[Holding]]:
    """Group models by method, in the order of their first occurrence."""
    groups: dict[str, list[Holding]] = {}
    for model in models:
        groups.setdefault(model.method, []).append(model)
    return groups


def shares_told(kinds: Counter[Kind], among: Sequence[Kind] = KINDS) -> list[str]:
    """Return the ways that occur, each with its share of all factors, for example `75% own latent`."""
    return [f"{share(kinds[kind] / kinds.total())} {kind}" for kind in among if kinds[kind]]


def sentence_on(method: str, models: Sequence[Holding]) -> str | None:
    """Word in one sentence which share of the factors has a latent of its own on each variant; None without models."""
    parts = []
    for variant, kinds in kinds_of(models).items():
        own, rest = share(kinds[KINDS[0]] / kinds.total()), shares_told(kinds, KINDS[1:])
        words = "of the factors have a latent of their own " if not parts else ""
        parts.append(f"{own} {words}{where(variant)}" + (f" ({listed(rest)})" if rest else ""))
    return f"In the codes of {method}, {listed(parts)}." if parts else None


def table_of_shares(title: str, models: Sequence[Holding]) -> TextTable | None:
    """Build a table of one method's shares, with a line for each variant; None without models."""
    counts = Counter(model.variant for model in models)
    lines = tuple(
        (variant, (*(Cell(share(kinds[kind] / kinds.total())) for kind in KINDS), Cell(str(counts[variant]))))
        for variant, kinds in kinds_of(models).items()
    )
    note = f"Shares of all factors of all models. {MEANING}"
    return TextTable(title=title, corner="Images", columns=(*KINDS, "models"), lines=lines, note=note) if lines else None


def table_of_factors(models: Sequence[Holding]) -> TextTable:
    """Build a table with a line for each method and variant and a column for each factor: numbers of models by kind."""
    names = list(dict.fromkeys(name for model in models for name in model.factors))
    lines = []
    for method, of_method in by_method(models).items():
        for variant in kinds_of(of_method):
            held = [model.factors for model in of_method if model.variant == variant]
            cells = [_numbers([factors[name].kind for factors in held if name in factors]) for name in names]
            lines.append((f"{method}, {variant}", tuple(map(Cell, cells))))
    return TextTable(
        title="How many models hold each factor in which way",
        corner="Method, images",
        columns=tuple(name.replace("_", " ") for name in names),
        lines=tuple(lines),
        note=MEANING,
    )


def _numbers(kinds: Sequence[Kind]) -> str:
    """Format the kinds of one factor over models, for example `3 own latent, 2 curved`."""
    counts = Counter(kinds)
    return ", ".join(f"{counts[kind]} {kind}" for kind in KINDS if counts[kind]) or "–"


def draw_kinds(path: Path, models: Sequence[Holding]) -> None:
    """Draw a panel for each method: a bar for each variant, divided by the ways in which its codes hold the factors."""
    from matplotlib.patches import Patch

    groups = {method: kinds_of(of_method) for method, of_method in by_method(models).items()}
    heights = [len(variants) for variants in groups.values()]
    figure = style.new_figure(0.8 + sum(0.45 + BAR * height for height in heights))
    panels = figure.subplots(len(groups), 1, sharex=True, squeeze=False, height_ratios=heights).ravel()
    for panel, (method, variants) in zip(panels, groups.items(), strict=True):
        for place, kinds in enumerate(variants.values()):
            left = 0.0
            for kind in KINDS:
                width = kinds[kind] / kinds.total()
                panel.barh(place, width, left=left, height=0.7, color=COLOURS[kind])
                left += width
        panel.set_title(in_figure(method), fontsize=style.SMALL, loc="left")
        panel.set_yticks(range(len(variants)), [in_figure(variant.replace("_", " ")) for variant in variants])
        panel.invert_yaxis()
        panel.set_xlim(0, 1)
        style.plain(panel, grid="x")
    panels[-1].xaxis.set_major_formatter("{x:.0%}")
    panels[-1].set_xlabel("share of the factors of all models", fontsize=style.SMALL)
    handles = [Patch(color=COLOURS[kind], label=kind) for kind in KINDS]
    style.legend_above(figure, handles, columns=len(KINDS), handlelength=1.2, columnspacing=1.2)
    style.save(figure, path)
