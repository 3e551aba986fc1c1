"""Decoded images along latents: planes of two (thesis Figures 4.10 and 4.11), and one latent a row (eq. 4.8)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from perturb.report import style

GAP = 2
"""White pixels between images."""


def draw_planes(path: Path, planes: Mapping[str, np.ndarray], *, down: str, across: str, columns: int = 2) -> None:
    """Each model's images over two latents, as tiles without ticks.

    Args:
        path: of the PNG.
        planes: title → uint8 (rows, columns, height, width, channels).
        down: what changes from row to row, for all of them.
        across: what changes from column to column.
        columns: of models.

    """
    columns = min(columns, len(planes))
    rows = -(-len(planes) // columns)
    size = style.WIDTH / columns
    figure = style.new_figure(rows * (size + 0.15) + 0.1)
    axes = figure.subplots(rows, columns, squeeze=False).flatten()
    for panel in axes[len(planes) :]:
        panel.set_axis_off()
    for number, (panel, (title, images)) in enumerate(zip(axes, planes.items(), strict=False)):
        style.show_image(panel, tiled(images))
        panel.set_title(title, fontsize=style.NORMAL)
        if number % columns == 0:
            panel.set_ylabel(f"← {down}", fontsize=style.SMALL)
        panel.set_xlabel(f"{across} →", fontsize=style.SMALL)
    style.save(figure, path)


def draw_latents(path: Path, images: np.ndarray, labels: Sequence[str], *, title: str = "") -> None:
    """A row a latent, from the most to the least important.

    Args:
        path: of the PNG.
        images: uint8 (latents, steps, height, width, channels).
        labels: of the rows, as `latent_labels` makes them.
        title: which model.

    """
    latents, steps = images.shape[:2]
    figure = style.new_figure((style.WIDTH - 0.9) * latents / steps + 0.45)
    axes = figure.subplots()
    style.show_image(axes, tiled(images))
    height = images.shape[2] + GAP
    axes.set_yticks([height * row + images.shape[2] / 2 for row in range(latents)], labels, fontsize=style.SMALL)
    axes.tick_params(length=0)
    axes.set_title(title, fontsize=style.NORMAL)
    style.save(figure, path)


def latent_labels(variances: Sequence[float]) -> list[str]:
    """`σ² 0.013`, a method without a posterior has none: its variances are all alike and tiny."""
    if max(variances) < 1e-6:
        return [str(number + 1) for number in range(len(variances))]
    return [f"σ² {variance:.2g}" for variance in variances]


def tiled(images: np.ndarray) -> np.ndarray:
    """Images (rows, columns, height, width, channels) as one, with white between them."""
    rows, columns, height, width, channels = images.shape
    sheet = np.full((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, channels), 255, dtype=np.uint8)
    for row, column in np.ndindex(rows, columns):
        top, left = row * (height + GAP), column * (width + GAP)
        sheet[top : top + height, left : left + width] = images[row, column]
    return sheet
