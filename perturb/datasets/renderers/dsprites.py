"""dSprites rendered: a white square, ellipse or heart on black, on the full official grid.

The outlines, the centre of rotation and the span of the positions were fitted to 191 distinct frames of the dataset's
animation (Matthey et al. 2017), which are reproduced pixel by pixel. The frames carry no labels: that angles grow
counter-clockwise and positions from the top left is inferred from their order. As in the original, there is no antialiasing:
a pixel is white if its centre lies inside the outline.

Two facts make rendering fast. Position centres lie on a lattice of 1/31 pixel, so the distance of a pixel centre from the
sprite's centre has few possible values; and a line of pixels meets an outline in at most two intervals. These intervals are
computed once per (shape, scale, orientation) and line of the lattice, and drawing is integer arithmetic on them. The
one-valued colour factor is dropped.
"""

import numpy as np

from perturb.datasets.credit import OURS, Credit
from perturb.datasets.ground_truth import FactorGrid, GroundTruth

RENDERER_VERSION = 1
SIZE = 64
GRID = FactorGrid(
    ("shape", "scale", "orientation", "x_position", "y_position"), (3, 6, 40, 32, 32), unordered=("shape",)
)  # fmt: skip
FACTOR_VALUES = (
    np.array([1.0, 2.0, 3.0]),
    np.linspace(0.5, 1.0, 6),
    np.linspace(0.0, 2.0 * np.pi, 40),
    np.linspace(0.0, 1.0, 32),
    np.linspace(0.0, 1.0, 32),
)
"""Values as in the official file's latents_values; shapes 1, 2, 3 are square, ellipse, heart."""

BIBTEX = """\
@misc{dsprites17,
  title        = {{dSprites}: Disentanglement testing Sprites dataset},
  author       = {Matthey, Loic and Higgins, Irina and Hassabis, Demis and Lerchner, Alexander},
  year         = {2017},
  howpublished = {https://github.com/google-deepmind/dsprites-dataset}
}
"""

UNIT = 0.3 * SIZE
"""Width of the heart at scale 1, in pixels."""
SQUARE_SIDE = UNIT - 0.002
"""Side of the square in pixels. At exactly 0.3 of the image, four pixel centres that almost touch the outline turn white."""
ELLIPSE_SEMI_AXES, ELLIPSE_CORNERS = (12.77, 7.23), 54
HEART_CORNERS, HEART_RISE = 157, 1.4375
FIRST_CENTRE, SPAN = 16, 32
"""Positions 0 and 1 put the centre of rotation at 16 and at 48 pixels from the left or top edge."""

STEPS = GRID.sizes[-1] - 1
NUM_ANGLES = GRID.sizes[2] - 1
"""Number of distinct angles: the last orientation equals the first."""
NUM_LINES = 28 * STEPS
"""Lines of the lattice around the centre: ±14 pixels hold every outline (the square's corner lies at 13.6)."""
CHUNK = 1024
"""Images drawn at a time, few enough for their working set to stay in the CPU cache."""


class DSprites(GroundTruth):
    """The renderer. The first call of `images` builds its table (4.9 MB), which takes a second or two."""

    name = "dsprites"
    credit = Credit(
        "dSprites",
        OURS,
        "https://github.com/google-deepmind/dsprites-dataset",
        BIBTEX,
        renderer="perturb's renderer draws the 191 distinct frames of the dataset's published animation, to which it was "
        "fitted, pixel by pixel; the authors' file may differ elsewhere",
        limits=("The first and the last orientation are the same angle, as in the authors' file.",),
    )
    layout = "dsprites"
    grid = GRID
    image_shape = (SIZE, SIZE, 1)
    binary = True
    factor_values = FACTOR_VALUES

    def __init__(self) -> None:
        self._intervals: np.ndarray | None = None

    def images(self, indices: np.ndarray) -> np.ndarray:
        """Return images by number, uint8 (n, 64, 64, 1), 0 or 255."""
        if self._intervals is None:
            self._intervals = _lattice_intervals()
        factors = self.grid.factors_of(indices)
        drawn = np.empty((len(factors), SIZE, SIZE), bool)
        for start in range(0, len(factors), CHUNK):
            part = slice(start, start + CHUNK)
            _draw(self._intervals, factors[part], drawn[part])
        pixels = drawn.view(np.uint8)
        pixels *= 255
        return pixels[..., np.newaxis]

    def provenance(self) -> dict[str, str]:
        """Return the origin of the images as stated in files: `source`, `renderer` and `version`."""
        return {"source": "renderer", "renderer": self.name, "version": str(RENDERER_VERSION)}


def _draw(intervals: np.ndarray, factors: np.ndarray, drawn: np.ndarray) -> None:
    """Fill `drawn`, bool (n, 64, 64), with the sprites of factor classes (n, 5)."""
    shape, scale, orientation, x, y = factors.T
    rows = _lattice_offset(y)[:, np.newaxis] + STEPS * np.arange(SIZE)
    lines = np.clip(rows + NUM_LINES // 2, 0, NUM_LINES - 1)
    sprite = (shape * GRID.sizes[1] + scale) * NUM_ANGLES + orientation % NUM_ANGLES
    limits = intervals[sprite[:, np.newaxis], lines]
    columns = -((_lattice_offset(x)[:, np.newaxis, np.newaxis] - limits) // STEPS)  # first pixel at or after a limit
    start, end, second_start, second_end = np.moveaxis(columns.astype(np.int8), -1, 0)[..., np.newaxis]
    pixels = np.arange(SIZE, dtype=np.int8)
    np.logical_and(pixels >= start, pixels < end, out=drawn)
    drawn |= (pixels >= second_start) & (pixels < second_end)


def _lattice_offset(position: np.ndarray) -> np.ndarray:
    """Return the lattice number of the centre of pixel 0 relative to a sprite's centre, for position classes.

    Number m stands for (2m + 1) / 62 pixels; pixel i has the number of pixel 0 plus 31 i.
    """
    return STEPS // 2 - STEPS * FIRST_CENTRE - SPAN * position


def _lattice_intervals() -> np.ndarray:
    """Return where lattice lines enter and leave the outlines, int16 (sprites, lines, 4).

    The entries are the first number inside, the first number outside, and both again for a second interval, which may be
    empty.
    """
    outlines = (_square(), _ellipse(), _heart())
    angles = 2.0 * np.pi * np.arange(NUM_ANGLES) / NUM_ANGLES
    tables = [
        _intervals_of(_turned(scale * outline, angle))
        for outline in outlines
        for scale in FACTOR_VALUES[1]
        for angle in angles
    ]
    return np.stack(tables)


def _intervals_of(outline: np.ndarray) -> np.ndarray:
    """Compute the intervals of one outline (corners, 2), int16 (lines, 4), by the even-odd rule."""
    heights = (2 * np.arange(NUM_LINES) - NUM_LINES + 1) / (2 * STEPS)
    x, y = outline.T
    next_x, next_y = np.roll(outline, -1, axis=0).T
    below = y > heights[:, np.newaxis]
    line, edge = np.nonzero(below != np.roll(below, -1, axis=1))
    slope = (next_x[edge] - x[edge]) / (next_y[edge] - y[edge])
    crossing = x[edge] + slope * (heights[line] - y[edge])
    order = np.lexsort((crossing, line))
    rank = np.arange(len(line)) - np.searchsorted(line, line)
    intervals = np.zeros((NUM_LINES, 4), np.int16)
    intervals[line, rank] = np.ceil(crossing[order] * STEPS - 0.5)
    return intervals


def _turned(outline: np.ndarray, angle: float) -> np.ndarray:
    """Rotate an outline (corners, 2) counter-clockwise as seen in the image, where the y axis points down."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return outline @ np.array([[cosine, -sine], [sine, cosine]])


def _square() -> np.ndarray:
    """Return the corners (4, 2) in pixels from the centre of rotation, x to the right, y down, at scale 1 and angle 0."""
    return SQUARE_SIDE / 2 * np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])


def _ellipse() -> np.ndarray:
    """Return corners (54, 2): the original was drawn as a polygon, which is visible at this resolution."""
    angles = 2.0 * np.pi * (np.arange(ELLIPSE_CORNERS) + 0.5) / ELLIPSE_CORNERS
    return np.stack([np.cos(angles), np.sin(angles)], axis=1) * ELLIPSE_SEMI_AXES


def _heart() -> np.ndarray:
    """Return corners (157, 2): 16 sin³ t, 13 cos t - 5 cos 2t - 2 cos 3t - cos 4t, 32 wide and 29 high, made square."""
    t = 2.0 * np.pi * np.arange(HEART_CORNERS) / HEART_CORNERS
    height = 13.0 * np.cos(t) - 5.0 * np.cos(2.0 * t) - 2.0 * np.cos(3.0 * t) - np.cos(4.0 * t)
    return np.stack([UNIT * np.sin(t) ** 3 / 2.0, -(UNIT * height / 29.0 + HEART_RISE)], axis=1)
