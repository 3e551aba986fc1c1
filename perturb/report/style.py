"""The style of all figures: colours, sizes, how they are saved. They are narrow, to be legible on a phone."""

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
"""Inches. A phone shows them on about 360 points, so that nine points of type stay about ten."""
DPI = 160
SMALL, NORMAL = 8.5, 9.5
"""Sizes of type in figures, in points."""
SHORT_LABEL = 14
"""Letters of a label of which three fit beside each other."""
OTHER_COLOUR, OTHER_MARKER = "#777777", "v"
"""The look of everything outside the table of variants: an alternative m_ψ, or an external model."""


def new_figure(height: float, *, width: float = WIDTH) -> "Figure":
    """An empty figure, inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def save(figure: "Figure", path: Path) -> None:
    """Save a figure as PNG; the same figure gives the same bytes."""
    with atomic_write(path) as part:
        figure.savefig(part, format="png", metadata={"Software": None})


def colour(variant: str) -> str:
    """The colour of a variant, the same in every figure."""
    return VARIANTS[variant].colour if variant in VARIANTS else OTHER_COLOUR


def marker(variant: str) -> str:
    """The marker of a variant, the same in every figure."""
    return VARIANTS[variant].marker if variant in VARIANTS else OTHER_MARKER


def legend_above(figure: "Figure", handles: "Sequence[Artist]", **options: Any) -> None:  # noqa: ANN401
    """A legend above all panels: three columns of short labels, or two where they would not fit the figure's width."""
    longest = max((len(str(handle.get_label())) for handle in handles), default=0)
    columns = 3 if longest <= SHORT_LABEL else 2
    figure.legend(
        handles=handles, loc="outside upper left", ncols=columns, fontsize=SMALL, frameon=False, **options
    )  # fmt: skip


def variant_handles(variants: "Sequence[str]", **line: Any) -> "list[Line2D]":  # noqa: ANN401
    """Entries of a legend in the variants' colours; `line` has what else matplotlib's Line2D takes."""
    from matplotlib.lines import Line2D

    return [Line2D([], [], color=colour(v), label=v, **({"marker": marker(v), "markersize": 5} | line)) for v in variants]


def tick_handle(label: str, *, marker: str = "|") -> "Line2D":
    """Entry of a legend for the black ticks (`|`) or bars (`_`) of a figure."""
    from matplotlib.lines import Line2D

    return Line2D([], [], color="black", marker=marker, markersize=7, linestyle="", label=label)


def plain(axes: "Axes", *, grid: Literal["x", "y", "both"]) -> None:
    """No box; lines to read values by; type that can be read."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=grid, alpha=0.25)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=SMALL)


def show_image(axes: "Axes", image: np.ndarray) -> None:
    """An image, uint8 (height, width, 1 or 3), without ticks and without a grey level invented."""
    if image.shape[-1] == 1:
        axes.imshow(image[..., 0], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    else:
        axes.imshow(image, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def jitter(count: int, *, width: float) -> np.ndarray:
    """Places side by side for dots that would hide each other, around 0, always the same: (count,)."""
    # Multiples of the golden ratio fill any interval evenly, in an order that looks random.
    return ((np.arange(count) * 0.618034) % 1 - 0.5) * width
