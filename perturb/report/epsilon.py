"""One experiment at several ε: how scores fall as the perturbation grows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perturb.errors import UserError
from perturb.escapes import in_figure
from perturb.files import read_json
from perturb.metrics import METRICS
from perturb.report import style
from perturb.report.table import Cell, TextTable
from perturb.report.tables import score
from perturb.report.words import interval, signed
from perturb.statistics.scores import BASELINE, Comparison, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NEEDED = {
    "dataset": (str,), "epsilon": (float, int), "share": (float, int), "rows": (list,), "comparisons": (list,),
    "provenance": (dict,),
}  # fmt: skip
"""Keys of a results.json that are read, with the types of their values."""
NAMED = ("config", "trained on", "perturb", "torch", "numpy", "scikit-learn")
"""Keys of an experiment's provenance that are printed below the table."""


@dataclass(frozen=True, kw_only=True)
class AtEpsilon:
    """The results of one experiment, run at one ε."""

    epsilon: float
    """Largest change of a pixel, for pixels in [0, 1]."""
    share: float
    """Variance of the trained patterns as stored, as a share of the images' own, averaged over patterns."""
    rows: tuple[Row, ...]
    comparisons: tuple[Comparison, ...]
    provenance: dict[str, str]
    """The experiment's config hash and versions."""


def read_results(paths: Sequence[Path]) -> list[AtEpsilon]:
    """Read the results of one experiment at several ε, by ascending ε.

    Args:
        paths: Paths of results.json files.

    Raises:
        UserError: If a file is missing or is not a results.json, the datasets differ, two have the same ε, or they have no
            method in common.

    """
    found = [(path, _read(path)) for path in paths]
    datasets = dict.fromkeys(results["dataset"] for _, results in found)
    if len(datasets) > 1:
        raise UserError(f"results must be of one dataset, and these are of {', '.join(datasets)}.")
    by_epsilon: dict[float, Path] = {}
    for path, results in found:
        if other := by_epsilon.get(results["epsilon"]):
            raise UserError(f"{path} and {other} both have ε = {results['epsilon']:g}; give one of them.")
        by_epsilon[results["epsilon"]] = path
    by_size = sorted((_at(results) for _, results in found), key=lambda at: at.epsilon)
    if not _methods(by_size):
        raise UserError("results must have a method in common, by its name; these have none.")
    return by_size


def _read(path: Path) -> dict[str, Any]:
    results = read_json(path, "give the results.json of an experiment")
    missing = [name for name, kind in NEEDED.items() if not isinstance(results, dict) or type(results.get(name)) not in kind]
    if missing:
        raise UserError(f"{path}: lacks {', '.join(missing)}; give the results.json of an experiment with this version.")
    return results


def _at(results: dict[str, Any]) -> AtEpsilon:
    try:
        return AtEpsilon(
            epsilon=results["epsilon"],
            share=results["share"],
            rows=tuple(Row(**row) for row in results["rows"]),
            comparisons=tuple(Comparison(**comparison) for comparison in results["comparisons"]),
            provenance=results["provenance"],
        )
    except TypeError as error:
        raise UserError(f"the results at ε = {results['epsilon']} are of another version ({error}); run it again.") from None


def epsilon_table(results: Sequence[AtEpsilon], metric: str) -> TextTable:
    """Build a table with methods and ε as rows; its columns are original, variants, and modified − each of its controls."""
    variants = list(dict.fromkeys(row.variant for at in results for row in at.rows if row.variant != BASELINE))
    controls = list(dict.fromkeys(c.second for at in results for c in at.comparisons if c.first == "modified"))
    lines = []
    for method in _methods(results):
        for at in results:
            cells = {row.variant: row for row in at.rows if (row.method, row.metric) == (method, metric)}
            if cells:
                scores = _scores(at, cells, [BASELINE, *variants])
                told = (_difference(at, method, metric, control) for control in controls)
                lines.append((f"{method}, ε = {at.epsilon:g}", (*scores, *told)))
    return TextTable(
        title=f"{METRICS[metric].title} over ε",
        corner="Method",
        columns=("share of variance", BASELINE, *variants, *(f"modified − {control}" for control in controls)),
        lines=tuple(lines),
        note="Share of variance: variance of the trained patterns as stored, relative to the images' own. 95 % intervals, "
        "paired by seed.",
    )


def made_of(results: Sequence[AtEpsilon]) -> list[str]:
    """Return a line for each experiment: its ε, the hash of its config, what trained its models, and versions."""
    return [
        f"ε = {at.epsilon:g}: " + ", ".join(f"{name} {at.provenance[name]}" for name in NAMED if name in at.provenance)
        for at in results
    ]


def _methods(results: Sequence[AtEpsilon]) -> list[str]:
    """Return the methods that were trained at every ε; single experiments may have others."""
    at_each = [{row.method for row in at.rows} for at in results]
    return [method for method in dict.fromkeys(row.method for row in results[0].rows) if all(method in at for at in at_each)]


def _scores(at: AtEpsilon, rows: dict[str, Row], variants: Sequence[str]) -> tuple[Cell, ...]:
    scores = (Cell(score(rows[v]), (f"n = {rows[v].n}",)) if v in rows else Cell("–") for v in variants)
    return (Cell(f"{at.share:.0%}"), *scores)


def _difference(at: AtEpsilon, method: str, metric: str, control: str) -> Cell:
    """Return the cell with the difference modified − control, the effect of training m_ψ beyond the control."""
    wanted = method, metric, "modified", control
    found = [c for c in at.comparisons if (c.method, c.metric, c.first, c.second) == wanted]
    return Cell(signed(found[0].difference), (interval(found[0]),)) if found else Cell("–")


def draw_epsilon(path: Path, results: Sequence[AtEpsilon], metric: str) -> None:
    """Plot mean scores over ε: one panel per method, one line per variant, bars of one standard deviation.

    ε = 0 is the original.
    """
    methods = _methods(results)
    variants = list(dict.fromkeys(row.variant for at in results for row in at.rows if row.variant != BASELINE))
    figure = style.new_figure(0.5 + 2.1 * len(methods))
    panels = figure.subplots(len(methods), 1, sharex=True, squeeze=False)[:, 0]
    for axes, method in zip(panels, methods, strict=True):
        for number, variant in enumerate(variants):
            _line(axes, results, method, variant, metric, shift=0.002 * (number - (len(variants) - 1) / 2))
        axes.set_title(in_figure(method), fontsize=style.NORMAL, loc="left")
        axes.set_ylim(bottom=0)
        axes.set_ylabel(f"{METRICS[metric].title}, mean ± std. dev.", fontsize=style.SMALL)
        style.plain(axes, grid="y")
    panels[-1].set_xlabel("ε, largest change of a pixel", fontsize=style.NORMAL)
    style.legend_above(figure, panels[0].get_legend_handles_labels()[0])
    style.save(figure, path)


def _line(
    axes: "Axes",
    results: Sequence[AtEpsilon],
    method: str,
    variant: str,
    metric: str,
    *,
    shift: float,
) -> None:
    """Plot the means of one variant, starting with the original at ε = 0, slightly shifted so that bars do not overlap."""
    points = []
    for at in results:
        rows = {row.variant: row for row in at.rows if (row.method, row.metric) == (method, metric)}
        if not points and BASELINE in rows:
            points.append((0.0, rows[BASELINE]))
        if variant in rows and rows[variant].mean is not None:
            points.append((at.epsilon + shift, rows[variant]))
    axes.errorbar(
        [place for place, _ in points],
        [row.mean for _, row in points],
        yerr=[row.std or 0.0 for _, row in points],
        color=style.colour(variant),
        marker=style.marker(variant),
        markersize=4.5,
        linewidth=1.4,
        elinewidth=0.9,
        label=variant,
    )
