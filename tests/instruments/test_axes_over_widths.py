"""Axes at different posterior widths: a case with a known answer, and an experiment end to end."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from perturb.analysis.axes import slopes_around
from perturb.analysis.prediction import mig_of, turned
from perturb.cli import main
from perturb.instruments.axes_over_widths import WIDTHS
from perturb.perturbation.local_metric import standardised
from perturb.random.seeds import torch_generator

STEEP, BENT, SHARED = 4.0, 3.0, 1.5
"""Slope of the images, their curvature in radians per standard deviation, and slope of the pattern."""


def _plane() -> tuple[torch.Tensor, np.ndarray]:
    """Codes of two factors with 20 values each, and the factors."""
    factors = np.stack(np.meshgrid(np.arange(20), np.arange(20), indexing="ij"), axis=-1).reshape(-1, 2)
    return standardised(torch.from_numpy(factors.astype(np.float32))), factors


def test_a_straight_pattern_turns_the_axes_of_curved_images_only_at_wide_posteriors() -> None:
    codes, factors = _plane()
    # Each factor moves the images along a circle. At wide widths the slopes of the circles average out and that of the
    # pattern along the sum does not. At narrow widths the circles are nearly straight and steeper. The second circle is
    # larger, so that the preferred axes are unique.
    first, second = codes.T
    circles = [size * f(BENT * z) for size, z in ((1.0, first), (1.1, second)) for f in (torch.cos, torch.sin)]
    images = torch.stack([STEEP * circle / BENT for circle in circles] + [SHARED * (first + second)], dim=1)
    found = {
        width: turned(codes, factors, slopes_around(codes, torch_generator(0), width), images, 0.1) for width in (0.2, 1.0)
    }
    assert mig_of(codes, factors) == pytest.approx(1.0)
    narrow, wide = found[0.2], found[1.0]
    assert wide[0] > 10 * narrow[0] > 0
    assert wide[1] < 0.1
    # The neighbourhood's weights average the slopes of the circles, which reduces their squares to exp(−(width · BENT)²).
    first_own, second_own = (size**2 * STEEP**2 * math.exp(-((0.2 * BENT) ** 2)) for size in (1.0, 1.1))
    metric = np.diag([first_own, second_own]) + SHARED**2
    assert narrow[0] == pytest.approx(np.log(np.diag(metric)).sum() - np.log(np.linalg.det(metric)), rel=0.15)


def test_the_variants_of_an_experiment_are_compared_at_every_width(finished: tuple[Path, Path], tmp_path: Path) -> None:
    config, artifacts = finished
    command = ["analyse", "axes-over-widths", str(config), "--artifacts", str(artifacts), "--out", str(tmp_path)]
    with pytest.raises(SystemExit) as end:
        main([*command, "--seeds", "2"])
    assert end.value.code == 0
    numbers = json.loads((tmp_path / "axes-over-widths.json").read_text(encoding="utf-8"))["numbers"]
    assert numbers["widths"] == list(WIDTHS)
    assert len(numbers["mig"]) == len(numbers["posterior_widths"]) == 2
    assert set(numbers["saving"]) == {"original", "modified", "noise", "untrained"}
    for variant in numbers["saving"].values():
        assert np.shape(variant) == (1, 2, len(WIDTHS))
        assert np.min(variant) >= -1e-6
    page = (tmp_path / "axes-over-widths.html").read_text(encoding="utf-8")
    assert "The restarts\u2019 posteriors end" in page or "The restarts&#39; posteriors end" in page
