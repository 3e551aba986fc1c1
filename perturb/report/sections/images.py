"""Pictures of the images: originals, the change by each variant, and the result."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np

from perturb.datasets.saved_images import open_some
from perturb.random.seeds import numpy_generator
from perturb.report import inputs
from perturb.report.findings import Findings
from perturb.report.section import Picture, Section
from perturb.report.words import listed
from perturb.statistics.scores import BASELINE
from perturb.variants import VariantPattern

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EXAMPLES = 4
"""Number of images in the picture of the perturbation."""
LETTERS = 16
"""Number of characters of a title that fit above an image."""


def sections(findings: Findings, out: Path, device: str) -> Iterator[Section]:
    """Yield the section with pictures of the originals and of every variant."""
    config = findings.config
    numbers = np.sort(numpy_generator(config.seed, "examples").choice(findings.grid.num_images, EXAMPLES, replace=False))
    shown = {
        variant: open_some(findings.runs[inputs.of_pattern("pixels", VariantPattern(variant))]).images(numbers)
        for variant in config.evaluation.variants
    }
    originals, path = shown.pop(BASELINE), out / "images.png"
    if not shown:
        return
    draw_images(path, originals, shown, epsilon=config.largest_epsilon)
    caption = (
        f"Originals, and for each variant what was added (grey: nothing, black and white: ε = "
        f"{config.largest_epsilon:g}) and the image that results."
    )
    alt = (
        f"Small images in a grid: {EXAMPLES} originals down; across, for {listed(list(shown))}, what was added, in "
        "grey levels, and the changed image beside it. The objects of each row stay where they are."
    )
    yield Section(title="The images", figures=[Picture(path, caption, alt)])


def draw_images(path: Path, originals: np.ndarray, variants: Mapping[str, np.ndarray], *, epsilon: float) -> None:
    """Draw originals, perturbations and perturbed images side by side, as in thesis Figure 4.3.

    Args:
        path: Path of the PNG.
        originals: Original images, uint8 (n, height, width, channels), one row of the picture each.
        variants: The perturbed images by variant. Each variant gets two columns, the difference and the image.
        epsilon: Scale of the differences, which are drawn from −ε (black) through 0 (grey) to ε (white).

    """
    from matplotlib.figure import Figure

    columns = 1 + 2 * len(variants)
    titles = {name: "\n".join(wrap(name.replace("_", " "), LETTERS)) for name in variants}
    lines = 1 + max((title.count("\n") for title in titles.values()), default=0) + 1
    figure = Figure(figsize=(1.25 * columns, 1.25 * len(originals) + 0.13 * lines + 0.1), dpi=140, layout="constrained")
    axes = figure.subplots(len(originals), columns, squeeze=False)
    for row, original in zip(range(len(originals)), originals, strict=True):
        _show(axes[row, 0], original, "original" if row == 0 else "")
        for number, (name, images) in enumerate(variants.items()):
            change = (images[row].astype(np.float64) - original) / (2 * 255 * epsilon) + 0.5
            _show(axes[row, 1 + 2 * number], np.clip(change, 0, 1), f"{titles[name]}\n− original" if row == 0 else "")
            _show(axes[row, 2 + 2 * number], images[row], titles[name] if row == 0 else "")
    figure.savefig(path, metadata={"Software": None})


def _show(axes: "Axes", image: np.ndarray, title: str) -> None:
    if image.shape[-1] == 1:
        axes.imshow(image[..., 0], cmap="gray", vmin=0, vmax=255 if image.dtype == np.uint8 else 1)
    else:
        axes.imshow(image)
    axes.set_title(title, fontsize=7)
    axes.set_axis_off()
