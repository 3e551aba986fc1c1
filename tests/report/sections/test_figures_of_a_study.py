import itertools
from collections.abc import Callable
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from made_scores import made_scores
from matplotlib.patches import Polygon, Rectangle

from perturb.report import style
from perturb.report.sections.differences import draw_forest
from perturb.report.sections.distribution import draw_by_factor, draw_histogram
from perturb.report.sections.line_search import SearchPoint, draw_search, search_table
from perturb.report.sections.traversals import GAP, draw_latents, draw_planes, latent_labels, tiled
from perturb.statistics.scores import Score, summarise

RNG = np.random.default_rng(0)
FACTORS = 0.75, 1.0, 2.0


def _scores(*, draws: int = 1) -> list[Score]:
    """Scores of two methods and three variants, with several draws of `modified` and some failed runs."""
    made = []
    for method, (variant, count) in itertools.product(["AE", "β-VAE"], [("original", 1), ("modified", draws), ("noise", 1)]):
        for draw in range(count):
            made += made_scores(method, variant, *RNG.uniform(0.1, 0.9, 4), None, draw=draw)
    return made


def _points(*, pruned: tuple[int, ...] = ()) -> list[SearchPoint]:
    found = itertools.product(["β-VAE", "FactorVAE"], ["original", "modified"], FACTORS)
    return [
        SearchPoint(factor, score)
        for method, variant, factor in found
        for score in made_scores(method, variant, *RNG.uniform(0.1, 0.9, 6), pruned=pruned)
    ]


DRAWN: dict[str, Callable[[Path], None]] = {
    "search": lambda path: draw_search(path, _points(pruned=(0,)), "mig", levels={"β-VAE": 0.6}),
    "search-of-two-runs": lambda path: draw_search(path, _points()[:2], "mig"),
    "search-all-failed": lambda path: draw_search(
        path, [SearchPoint(1.0, score) for score in made_scores("AE", "modified", None, None)], "mig"
    ),
    "histogram": lambda path: draw_histogram(path, _scores(draws=2), "mig"),
    "histogram-all-failed": lambda path: draw_histogram(path, made_scores("AE", "modified", None), "mig"),
    "factors": lambda path: draw_by_factor(
        path, {"original": RNG.uniform(size=(4, 3)), "modified": np.empty((0, 3))}, ["a_b", "c", "d"], title="β-VAE"
    ),
    "forest": lambda path: draw_forest(path, summarise(_scores(draws=3), ["mig"]), "mig"),
    "forest-without-pairs": lambda path: draw_forest(
        path,
        summarise([*made_scores("AE", "original", None), *made_scores("AE", "noise", 0.5)], ["mig"]),
        "mig",
    ),
    "planes": lambda path: draw_planes(
        path, {name: np.zeros((3, 4, 8, 8, 1), np.uint8) for name in "abc"}, down="hue", across="size"
    ),
    "latents": lambda path: draw_latents(path, np.zeros((3, 4, 8, 8, 3), np.uint8), ["x", "y", "z"], title="β-VAE"),
}


@pytest.mark.parametrize("name", DRAWN)
def test_every_figure_has_the_common_width_and_is_not_empty(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.part"
    DRAWN[name](path)
    picture = matplotlib.image.imread(path, format="png")
    assert picture.shape[1] == int(style.WIDTH * style.DPI)
    assert (picture[..., :3].min(axis=-1) < 0.9).mean() > 1e-3


def test_histogram_bars_are_shares_of_a_methods_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = []
    monkeypatch.setattr(style, "save", lambda figure, path: figures.append(figure))
    draw_histogram(tmp_path / "a.png", _scores(draws=3), "mig")
    panels = figures[0].axes
    assert [panel.get_title(loc="left") for panel in panels] == ["AE", "β-VAE"]
    for panel in panels:
        bars = [patch.get_height() for patch in panel.patches if isinstance(patch, Rectangle)]
        assert sum(bars) == pytest.approx(1)
        (outline,) = [patch for patch in panel.patches if isinstance(patch, Polygon)]
        assert outline.get_path().vertices[:, 1].max() <= 1


def test_the_same_search_points_give_an_identical_figure_file(tmp_path: Path) -> None:
    points = _points(pruned=(0,))
    for name in ("a.png", "b.png"):
        draw_search(tmp_path / name, points, "mig")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_the_line_search_counts_over_pruned_and_failed_runs_but_excludes_them_from_means() -> None:
    scores = made_scores("β-VAE", "modified", 0.2, 0.4, 0.9, None, pruned=(2, 3))
    table = search_table([SearchPoint(1.5, score) for score in scores], "mig")
    assert table.columns == ("×1.5",)
    ((name, (cell,)),) = table.lines
    assert name == "β-VAE, modified"
    assert cell.text == "0.30 ± 0.14"
    assert cell.details == ("1 over-pruned", "1 failed")


def test_a_factor_that_only_one_variant_was_searched_at_has_a_dash_for_the_other() -> None:
    points = [SearchPoint(1.0, *made_scores("AE", "original", 0.5)), SearchPoint(2.0, *made_scores("AE", "modified", 0.5))]
    assert [[cell.text for cell in cells] for _, cells in search_table(points, "mig").lines] == [
        ["0.50", "–"],
        ["–", "0.50"],
    ]


def test_a_search_cell_whose_runs_are_all_over_pruned_says_so() -> None:
    points = [SearchPoint(2.0, *made_scores("AE", "modified", 0.5, pruned=(0,)))]
    ((_, (cell,)),) = search_table(points, "mig").lines
    assert (cell.text, cell.details) == ("none kept", ("1 over-pruned",))


def test_tiling_preserves_every_pixel_and_separates_images_with_white() -> None:
    images = RNG.integers(200, size=(2, 3, 4, 5, 3), dtype=np.uint8)
    sheet = tiled(images)
    assert sheet.shape == (2 * 4 + GAP, 3 * 5 + 2 * GAP, 3)
    assert np.array_equal(sheet[4 + GAP :, 5 + GAP : 10 + GAP], images[1, 1])
    assert (sheet[4 : 4 + GAP] == 255).all()


@pytest.mark.parametrize(
    ("variances", "labels"), [((0.0123, 0.9), ["σ² 0.012", "σ² 0.9"]), ((2e-9, 2e-9), ["1", "2"])], ids=["VAE", "AE"]
)
def test_latents_are_labelled_by_their_variance_if_they_have_one(variances: tuple[float, ...], labels: list[str]) -> None:
    assert latent_labels(variances) == labels


@pytest.mark.parametrize(("longest", "columns"), [("untrained", 3), ("redrawn_curve_in_span", 2)])
def test_a_legend_has_as_many_columns_as_its_labels_allow(longest: str, columns: int) -> None:
    from matplotlib.lines import Line2D

    figure = style.new_figure(2.0)
    style.legend_above(figure, [Line2D([], [], label=label) for label in ("original", "modified", longest)])
    assert figure.legends[0]._ncols == columns
