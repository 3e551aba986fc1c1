from dataclasses import replace
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from perturb.report import style
from perturb.report.sections.curves import Curve, draw_curves, final_losses

STEPS = np.arange(10, 101, 10)


def _curve(method: str, variant: str, level: float, *, failed: bool = False, points: int = 10, **parts: float) -> Curve:
    """A loss that falls from 1,000 above `level` to it; the last two points are 1 above and 1 below."""
    loss = level + np.array([1000, 300, 100, 50, 20, 10, 5, 2, 1, -1.0])
    columns = {"step": STEPS, "loss": loss, "active_units": np.full(10, 4.0)}
    columns |= {name: np.full(10, value) for name, value in parts.items()}
    kept = {name: column[:points] for name, column in columns.items()} if points else {"step": STEPS[:0]}
    return Curve(method=method, variant=variant, columns=kept, failed=failed)


CURVES = [
    _curve("β-VAE", "original", 1200, kl=6.25),
    _curve("β-VAE", "original", 1210, kl=6.75),
    _curve("β-VAE", "modified", 1500, kl=5),
    _curve("β-VAE", "modified", float("nan"), failed=True, points=4, kl=5),
    _curve("FactorVAE", "original", -0.125, total_correlation=0.5, discriminator=0.6931),
    _curve("PCL", "modified", 2, failed=True, points=0),
]


def test_final_losses_have_a_row_per_loss_term_and_exclude_failed_trainings() -> None:
    table = final_losses(CURVES)
    assert table.columns == ("original", "modified")
    assert {name: [cell.text for cell in cells] for name, cells in table.lines} == {
        "β-VAE, loss": ["1,205.0 ± 7.1", "1,500"],
        "β-VAE, kl": ["6.50 ± 0.35", "5.00"],
        "FactorVAE, loss": ["−0.125", "–"],
        "FactorVAE, total correlation": ["0.500", "–"],
        "FactorVAE, discriminator": ["0.693", "–"],
    }


def test_columns_that_are_not_losses_are_left_out_of_the_table() -> None:
    newer = [replace(curve, columns={**curve.columns, "delta_kl": 0.5 * curve.columns["step"]}) for curve in CURVES]
    assert final_losses(newer) == final_losses(CURVES)


def test_undrawn_is_the_reconstruction_loss_minus_the_entropy_of_the_images() -> None:
    columns = {"step": STEPS, "loss": np.full(10, 1300.0), "reconstruction": np.full(10, 1250.0), "kl": np.full(10, 5.0)}
    curve = Curve(method="β-VAE", variant="original", columns=columns, failed=False, floor=1200.0)
    assert curve.parts == ["loss", "reconstruction", "undrawn", "kl"]
    lines = {name: cells[0].text for name, cells in final_losses([curve]).lines}
    assert (lines["β-VAE, reconstruction"], lines["β-VAE, undrawn"]) == ("1,250", "50.0")


def test_final_loss_averages_the_last_fifth_of_the_steps_at_any_spacing() -> None:
    columns = {"step": np.array([1, 50, 80, 81, 100]), "loss": np.array([9, 9, 9, 1, 3.0])}
    assert Curve(method="AE", variant="original", columns=columns, failed=False).final("loss") == 2


@pytest.mark.parametrize(
    "chosen", [slice(None), slice(0, 1), slice(3, 4), slice(5, 6)], ids=["all", "one", "failed", "none"]
)
def test_curve_figures_have_the_common_width_and_are_deterministic(tmp_path: Path, chosen: slice) -> None:
    for name in ("a.png", "b.png"):
        draw_curves(tmp_path / name, CURVES[chosen])
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert matplotlib.image.imread(tmp_path / "a.png").shape[1] == int(style.WIDTH * style.DPI)


def test_curve_panels_are_scaled_to_what_follows_the_first_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first tenth is 1,000 above the rest and must not set the scale. Without a discriminator it has no panel."""
    figures = []
    monkeypatch.setattr(style, "save", lambda figure, path: figures.append(figure))
    draw_curves(tmp_path / "a.png", CURVES[:2] + CURVES[4:5])
    shown = {axes.get_title(loc="left"): axes for axes in figures[0].axes if axes.axison}
    assert list(shown) == ["β-VAE", "FactorVAE", "FactorVAE, discriminator"]
    low, high = shown["β-VAE"].get_ylim()
    assert 1_150 < low < 1_199
    assert 1_510 < high < 2_000
    (line,) = shown["β-VAE"].lines
    assert line.get_ydata()[-1] == 1_204
