"""The picture of the scalar, and the curves that it draws."""

from pathlib import Path

import numpy as np
import pytest
import torch

from perturb.analysis.variances import FactorVariance, Induced, Variances
from perturb.config import PerturbationConfig
from perturb.datasets.ground_truth import FactorGrid
from perturb.perturbation.network import PerturbationNetwork
from perturb.perturbation.scalar import main_curves
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


def test_the_picture_is_drawn_with_and_without_variances(tmp_path: Path) -> None:
    curves = {"modified": [np.linspace(-1, 1, 5), np.zeros(3)], "untrained": [np.zeros(5), np.ones(3)]}
    factors = tuple(FactorVariance(name, Induced(1, 1, 1), Induced(3, 1, 4)) for name in GRID.names)
    induced = Variances(total=Induced(2, 1, 3), magnitude=1.0, factors=factors, images=15, whole_grid=True)
    for name, variances in (("with", {"modified": induced}), ("without", {})):
        draw_scalars(tmp_path / f"{name}.png", curves, GRID.names, variances)
    assert (tmp_path / "with.png").stat().st_size > (tmp_path / "without.png").stat().st_size > 5_000
