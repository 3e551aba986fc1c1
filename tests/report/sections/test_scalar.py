"""The figure of the scalar and the curves in it."""

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import torch

from perturb.config import PerturbationConfig
from perturb.datasets.ground_truth import FactorGrid
from perturb.perturbation.network import PerturbationNetwork
from perturb.perturbation.scalar import main_curves
from perturb.report import style
from perturb.report.sections.scalar import draw_scalars

GRID = FactorGrid(("size", "hue"), (5, 3))


def test_the_curves_of_a_linear_scalar_are_straight(monkeypatch: pytest.MonkeyPatch) -> None:
    config = PerturbationConfig(epsilon=0.2, generator="coarse")
    network = PerturbationNetwork(
        config, num_factors=2, image_shape=(32, 32, 3), architecture="conv32", generator=torch.Generator().manual_seed(0)
    )
    monkeypatch.setattr(network, "scalar", lambda factors: 3 * factors[:, :1] + 1)
    size, hue = main_curves(network, GRID)
    assert np.diff(size) == pytest.approx([np.sqrt(2) / 2] * 4, rel=0.1)
    assert hue == pytest.approx([0, 0, 0], abs=0.1)


def test_the_scalar_figure_has_a_panel_per_variant(tmp_path: Path) -> None:
    curves = {"modified": [np.linspace(-1, 1, 5), np.zeros(3)], "untrained": [np.zeros(5), np.ones(3)]}
    heights = []
    for name, shown in (("both", curves), ("one", {"modified": curves["modified"]})):
        draw_scalars(tmp_path / f"{name}.png", shown, GRID.names)
        heights.append(matplotlib.image.imread(tmp_path / f"{name}.png").shape[0])
    assert heights[0] - heights[1] == pytest.approx(1.7 * style.DPI, abs=1)
