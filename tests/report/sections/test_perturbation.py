"""The perturbation figure on made-up findings: what it draws and what it leaves out."""

from pathlib import Path
from types import SimpleNamespace

import matplotlib.image
import numpy as np
import pytest
from made_scores import made_scores
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from perturb.analysis.variances import FactorVariance, Induced, Variances
from perturb.report import style
from perturb.report.sections.perturbation import LINE, PANEL, draw_perturbation
from perturb.statistics.scores import pooled

FACTORS = ("floor_hue", "size")
LOCAL = Variances(
    total=Induced(2, 1, 3),
    magnitude=1.0,
    factors=tuple(
        FactorVariance(name, Induced(first, 1, 1), Induced(first, 1, 9.0))
        for name, first in zip(FACTORS, (45.0, 12.0), strict=True)
    ),
    images=15,
    whole_grid=True,
)
SCORES = [
    *made_scores("A", "original", 0.8, 0.7, 0.9),
    *made_scores("A", "modified", 0.2, 0.3, 0.1),
    *made_scores("A", "other", 0.5, 0.3, 0.7),
    *made_scores("B", "original", 0.6, 0.7, 0.5),
    *made_scores("B", "modified", 0.6, 0.6, 0.5),
    *made_scores("B", "other", None, None, None),
]
MAIN = {"modified": [(0.5, 0.5), (0.7, 0.1)], "other": [(0.9, 0.0)], "third": [(0.2, 0.2)]}
DRAWN = {
    "networks": {
        name: [SimpleNamespace(scalar=SimpleNamespace(main=main)) for main in mains] for name, mains in MAIN.items()
    },
    "local": {"modified": LOCAL},
    "savings": {"original": [0.05], "modified": [0.4, 0.5], "other": []},
    "groups": [
        {name: pooled(SCORES, "mig", methods=(method,), first=name, second="original") for name in ("modified", "other")}
        for method in "AB"
    ],
    "methods": ["A", "B"],
    "losses": {"modified": 0.45},
    "title": "MIG",
}


@pytest.fixture
def figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Figure:
    figures = []
    monkeypatch.setattr(style, "save", lambda figure, path: figures.append(figure))
    draw_perturbation(tmp_path / "a.png", FACTORS, **DRAWN)
    return figures[0]


def _heights(axes: object, name: str) -> list[float]:
    return [bar.get_height() for container in axes.containers if container.get_label() == name for bar in container]


def test_bars_show_the_mean_main_effects_and_the_local_variances_before_and_after(figure: Figure) -> None:
    effects, local, *_ = figure.get_axes()
    assert _heights(effects, "modified") == pytest.approx([0.6, 0.3])
    assert _heights(local, "original") == [45.0, 12.0]
    assert _heights(local, "modified") == [9.0, 9.0]


def test_variants_of_the_same_colour_have_different_hatching(figure: Figure) -> None:
    fillings = [bars[0].get_hatch() for bars in figure.get_axes()[0].containers[1:]]
    assert len(set(fillings)) == len(fillings) == 2


def test_savings_have_a_mark_per_pattern_and_unmeasured_ones_are_not_drawn_as_0(figure: Figure) -> None:
    savings = figure.get_axes()[2]
    assert [bar.get_width() for bar in savings.patches] == pytest.approx([0.05, 0.45])
    (marks,) = savings.collections
    assert sorted(marks.get_offsets()[:, 0]) == pytest.approx([0.4, 0.5])
    assert [text.get_text() for text in savings.texts] == ["not measured"]
    assert [label.get_text() for label in savings.get_yticklabels()] == ["original", "modified", "other"]


def test_changes_have_a_mark_per_group_and_a_cross_for_the_predicted_loss(figure: Figure) -> None:
    changes = figure.get_axes()[3]
    marks = [tuple(one.get_offsets()[0]) for one in changes.collections if isinstance(one, PathCollection)]
    assert sorted(x for x, _ in marks) == pytest.approx(sorted([-0.6, -0.3, np.mean([0, -0.1, 0]), -0.45]))
    assert len({y for x, y in marks if x < -0.4}) == 2  # the cross is drawn between the groups


def test_axes_have_units_and_legends_explain_every_variant_and_mark(figure: Figure) -> None:
    units = [axes.get_ylabel().partition("\n")[0] for axes in figure.get_axes()[:2]]
    assert units == ["share of the", "mean squared change"]
    said = [text.get_text() for part in figure.subfigs for legend in part.legends for text in legend.get_texts()]
    assert said[:3] == ["original: no pattern", "modified: the trained pattern", "other: another trained pattern"]
    assert [line.rpartition(": ")[2] for line in said if "95 %" in line] == ["A", "B"]
    assert said[-1] == "change of MIG predicted before training"


def test_the_perturbation_figure_keeps_its_width_without_networks_and_local_variances(tmp_path: Path) -> None:
    for name, drawn in (("all", DRAWN), ("few", DRAWN | {"networks": {}, "local": {}})):
        draw_perturbation(tmp_path / f"{name}.png", FACTORS, **drawn)
    whole, few = (matplotlib.image.imread(tmp_path / f"{name}.png").shape for name in ("all", "few"))
    assert whole[1] == few[1] == int(style.WIDTH * style.DPI)
    # Two panels, and the legend line of the variant that appears in no other panel.
    assert whole[0] - few[0] == pytest.approx((2 * PANEL + LINE) * style.DPI, abs=2)
