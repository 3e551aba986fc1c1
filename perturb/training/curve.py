"""Loss curves: the steps at which losses are logged, and the file that stores them."""

import csv
from pathlib import Path

import numpy as np

from perturb.files import atomic_write

POINTS = 100
CURVE = "curve.csv"
"""The file that holds a training's curve in its run directory."""


def is_logged(step: int, steps: int) -> bool:
    """Return whether a step of 1 … `steps` is logged: at most 100 are, evenly spaced, and always the last."""
    return step % -(-steps // POINTS) == 0 or step == steps


def write_curve(path: Path, curve: list[dict[str, float]]) -> None:
    """Write a loss curve as CSV. Missing terms are `nan`: points from an older version's checkpoint may lack some."""
    with atomic_write(path) as part, part.open("w", newline="") as file:
        names = dict.fromkeys(name for point in curve for name in point)
        writer = csv.DictWriter(file, fieldnames=list(names) or ["step"], restval="nan")
        writer.writeheader()
        writer.writerows(curve)


def read_curve(path: Path) -> dict[str, np.ndarray]:
    """Read the columns of a curve: `step`, then each part of the loss, float64 (points,)."""
    with path.open(encoding="utf-8", newline="") as file:
        names, *points = csv.reader(file)
    return dict(zip(names, np.array(points, dtype=np.float64).reshape(-1, len(names)).T, strict=True))
