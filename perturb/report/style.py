"""The style of all figures: colours, sizes, and how they are saved. Figures are narrow, to be legible on a phone."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from perturb.files import atomic_write
from perturb.variants import VARIANTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

WIDTH = 4.5
"""Width in inches. A phone shows a figure at about 360 points, so nine-point type appears at about ten points."""
DPI = 160
SMALL, NORMAL = 8.5, 9.5
"""Font sizes in figures, in points."""
SHORT_LABEL = 14
"""Maximum length of a legend label for three columns."""
OTHER_COLOUR, OTHER_MARKER = "#777777", "v"
"""Colour and marker for everything outside the table of variants: an alternative m_ψ, or an external model."""


def new_figure(height: float, *, width: float = WIDTH) -> "Figure":
    """Create an empty figure; sizes are in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def save(figure: "Figure", path: Path) -> None:
    """Save a figure as PNG, reproducibly: the same figure gives the same bytes."""
    with atomic_write(path) as part:
        figure.savefig(part, format="png", metadata={"Software": None})


def colour(variant: str) -> str:
    """Return the colour of a variant, which is the same in every figure."""
    return VARIANTS[variant].colour if variant in VARIANTS else OTHER_COLOUR


def marker(variant: str) -> str:
    """Return the marker of a variant, which is the same in every figure."""
    return VARIANTS[variant].marker if variant in VARIANTS else OTHER_MARKER


def legend_above(
    figure: "Figure",
    handles: "Sequence[Artist]",
    *,
    columns: int | None = None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Add a legend above all panels; without a number of columns, with three if the labels are short, or else two."""
    longest = max((len(str(handle.get_label())) for handle in handles), default=0)
    columns = columns or (3 if longest <= SHORT_LABEL else 2)
    figure.legend(
        handles=handles, loc="outside upper left", ncols=columns, fontsize=SMALL, frameon=False, **options
    )  # fmt: skip


def variant_handles(variants: "Sequence[str]", **line: Any) -> "list[Line2D]":  # noqa: ANN401
    """Return legend entries in the variants' colours; `line` holds further arguments of matplotlib's Line2D."""
    from matplotlib.lines import Line2D

    return [Line2D([], [], color=colour(v), label=v, **({"marker": marker(v), "markersize": 5} | line)) for v in variants]


def tick_handle(label: str, *, marker: str = "|") -> "Line2D":
    """Return a legend entry for the black ticks (`|`) or bars (`_`) of a figure."""
    from matplotlib.lines import Line2D

    return Line2D([], [], color="black", marker=marker, markersize=7, linestyle="", label=label)


def plain(axes: "Axes", *, grid: Literal["x", "y", "both"]) -> None:
    """Remove the frame, add grid lines, and set a legible font size."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=grid, alpha=0.25)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=SMALL)


def show_image(axes: "Axes", image: np.ndarray) -> None:
    """Show an image, uint8 (height, width, 1 or 3), without ticks and without interpolated grey levels."""
    if image.shape[-1] == 1:
        axes.imshow(image[..., 0], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    else:
        axes.imshow(image, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def jitter(count: int, *, width: float) -> np.ndarray:
    """Return deterministic offsets around 0, (count,), for dots that would otherwise overlap."""
    # Multiples of the golden ratio fill any interval evenly, in an order that looks random.
    return ((np.arange(count) * 0.618034) % 1 - 0.5) * width
