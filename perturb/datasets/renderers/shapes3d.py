"""Shapes3D rendered: an object in a room, on the full official grid.

The scene follows published pictures of the dataset (Burgess and Kim 2018): a room without a ceiling, seen through its
open side by a camera that always looks at the object. Camera, sizes and lights were fitted to 25 pictures (mean absolute
difference 5 of 255); textures of the walls and the floor are left out. Positive orientations bring the left wall into
view; the pictures do not show whether this is so in the original. Hues have full saturation and value; light can exceed 1
and is then clipped, as in the original.

Everything but the three hues depends on scale, shape and orientation alone. Rays are cast once for these 480 scenes, and an
image is a weighted sum of five colours: floor, wall, object, sky and white highlight.

Frames: x to the right, y away from the camera, z up, the origin on the floor below the object. Camera and lights are fixed,
and the room turns. The unit of length is arbitrary.
"""

import colorsys
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from perturb.datasets.credit import OURS, Credit
from perturb.datasets.ground_truth import FactorGrid, GroundTruth

RENDERER_VERSION = 1
SIZE = 64
SUPERSAMPLING = 3
GRID = FactorGrid(
    ("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation"),
    (10, 10, 10, 8, 4, 15),
    unordered=("shape",),
)
HUES = np.arange(10) / 10.0
FACTOR_VALUES = (HUES, HUES, HUES, np.linspace(0.75, 1.25, 8), np.arange(4.0), np.linspace(-30.0, 30.0, 15))
"""Values as in the official file's labels. Shapes 0 … 3 are cube, cylinder, sphere, capsule; orientations are in degrees."""

BIBTEX = """\
@misc{3dshapes18,
  title        = {{3D} Shapes Dataset},
  author       = {Burgess, Chris and Kim, Hyunjik},
  year         = {2018},
  howpublished = {https://github.com/google-deepmind/3d-shapes}
}
"""

CAMERA = np.array([0.0, -4.863, 1.267])
PITCH = 0.044
"""Downward angle of the camera, in radians."""
FOCAL_LENGTH = 96.5
"""Focal length in pixels: the image is 37° wide."""
ROOM_HALF_WIDTH, BACK_WALL, WALL_HEIGHT = 3.94, 4.38, 2.29
CUBE_HALF_SIDE = 0.543
CYLINDER_RADIUS, CYLINDER_HEIGHT = 0.571, 1.167
SPHERE_RADIUS = 0.641
CAPSULE_RADIUS, CAPSULE_HEIGHT = 0.458, 1.863

LIGHT = np.array([-0.234, 0.151, 1.0]) / np.linalg.norm([-0.234, 0.151, 1.0])
"""Unit vector towards the light that casts the shadow."""
AMBIENT, HEADLIGHT, DIFFUSE, HIGHLIGHT = 0.279, 0.68, 0.655, 0.125
"""Shading: ambient + headlight · cosine to the viewer + diffuse · cosine to the light. Lit parts get a white highlight."""
SPOT_CENTRE, SPOT_WIDTH, SPOT_GAIN = np.array([-4.04, 0.03]), np.array([4.62, 3.69]), 1.8
"""The light on the floor falls off as a Gaussian around a spot on the left."""
WALL_GAIN = 1.07
"""Factor by which walls are brighter than an object that faces the same way."""
SKY = np.array([153.0, 226.0, 249.0]) / 255.0
CHUNK = 128
"""Images mixed at a time, which limits memory beyond the result to about 20 MB."""


class Shapes3D(GroundTruth):
    """The renderer. The first call of `images` builds its table (39 MB), which takes a few seconds."""

    name = "shapes3d"
    credit = Credit(
        "Shapes3D",
        OURS,
        "https://github.com/google-deepmind/3d-shapes",
        BIBTEX,
        renderer="perturb's renderer was fitted to 25 published pictures (mean absolute difference 5 of 255) and leaves out "
        "the textures of walls and floor; whether positive orientations turn the room the same way as in the authors' file "
        "is not known",
    )
    layout = "shapes3d"
    grid = GRID
    image_shape = (SIZE, SIZE, 3)
    factor_values = FACTOR_VALUES

    def __init__(self) -> None:
        self._weights: np.ndarray | None = None
        self._hues = np.array([colorsys.hsv_to_rgb(hue, 1.0, 1.0) for hue in HUES], np.float32)

    def images(self, indices: np.ndarray) -> np.ndarray:
        """Return images by number, uint8 (n, 64, 64, 3)."""
        if self._weights is None:
            self._weights = _weights()
        factors = self.grid.factors_of(indices)
        columns: tuple[np.ndarray, ...] = tuple(factors[:, 3:].T)
        scenes = np.ravel_multi_index(columns, GRID.sizes[3:])
        palettes = self._palettes(factors[:, :3])
        drawn = np.empty((len(factors), SIZE * SIZE, 3), np.uint8)
        for start in range(0, len(factors), CHUNK):
            part = slice(start, start + CHUNK)
            mixed = self._weights[scenes[part]] @ palettes[part]
            np.minimum(mixed, 255.0, out=mixed)
            drawn[part] = np.rint(mixed, out=mixed)
        return drawn.reshape(-1, *self.image_shape)

    def provenance(self) -> dict[str, str]:
        """Return the origin of the images as stated in files: `source`, `renderer` and `version`."""
        return {"source": "renderer", "renderer": self.name, "version": str(RENDERER_VERSION)}

    def _palettes(self, hues: np.ndarray) -> np.ndarray:
        """Return the colours of floor, wall, object, sky and highlight, float32 (n, 5, 3), 0–255, for hue classes (n, 3)."""
        constant = np.broadcast_to(np.stack([SKY, np.ones(3)]).astype(np.float32), (len(hues), 2, 3))
        return 255.0 * np.concatenate([self._hues[hues], constant], axis=1)


def _weights() -> np.ndarray:
    """Compute the weight of each of the five colours in each pixel of each scene, float32 (480, 4096, 5)."""
    rays = _camera_rays()
    angles = np.radians(FACTOR_VALUES[5])
    rooms = [_room(rays, angle) for angle in angles]
    weights = np.empty((*GRID.sizes[3:], SIZE * SIZE, 5), np.float32)
    for row, scale in enumerate(FACTOR_VALUES[3]):
        for shape in range(GRID.sizes[4]):
            for column, angle in enumerate(angles):
                if column == 0 or shape == 0:  # only the cube looks different when the room turns
                    thing = _Object(rays, _parts(shape, scale, angle))
                weights[row, shape, column] = _scene(rooms[column], thing)
    return weights.reshape(-1, SIZE * SIZE, 5)


class _Object:
    """An object and its shadow as seen by the rays of a camera; arrays are (rays,)."""

    def __init__(self, rays: np.ndarray, parts: list["_Part"]) -> None:
        distances, normals = zip(*(part.hit(CAMERA, rays) for part in parts), strict=True)
        nearest = np.argmin(distances, axis=0)
        self.visible = np.isfinite(np.min(distances, axis=0))
        normal = np.take_along_axis(np.stack(normals), nearest[np.newaxis, :, np.newaxis], axis=0)[0]
        self.highlight = self.visible & (normal @ LIGHT > 0)
        self.shade = np.where(self.visible, _shade(normal), 0.0)
        points = _floor_points(rays)
        shadows = [np.isfinite(part.hit(points, np.broadcast_to(LIGHT, points.shape))[0]) for part in parts]
        lit = DIFFUSE * LIGHT[2] * _spot(points) * ~np.any(shadows, axis=0)
        self.floor_shade = AMBIENT + HEADLIGHT * np.sin(PITCH) + lit


def _scene(room: tuple[np.ndarray, np.ndarray, np.ndarray], thing: _Object) -> np.ndarray:
    """Return the weights of floor, wall, object, sky and highlight, (4096, 5): means over each pixel's rays."""
    floor, wall, sky = (np.where(thing.visible, 0.0, weight) for weight in room)
    weights = np.stack([floor * thing.floor_shade, wall, thing.shade, sky, HIGHLIGHT * thing.highlight])
    fine = weights.reshape(5, SIZE, SUPERSAMPLING, SIZE, SUPERSAMPLING)
    return fine.mean(axis=(2, 4)).reshape(5, -1).T


def _room(rays: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return floor (0 or 1), wall (its shade or 0) and sky (0 or 1) of an empty room turned by an angle, each (rays,)."""
    origin, direction = _in_room(CAMERA, angle), _in_room(rays, angle)
    side_distance = (np.sign(direction[:, 0]) * ROOM_HALF_WIDTH - origin[0]) / direction[:, 0]
    back_distance = (BACK_WALL - origin[1]) / direction[:, 1]
    side_first = side_distance < back_distance
    height = CAMERA[2] + np.minimum(side_distance, back_distance) * rays[:, 2]
    inwards = np.zeros_like(rays)
    inwards[:, 0] = np.where(side_first, -np.sign(direction[:, 0]), 0.0)
    inwards[:, 1] = np.where(side_first, 0.0, -1.0)
    shade = WALL_GAIN * _shade(_in_room(inwards, -angle))
    return height < 0, np.where((height >= 0) & (height < WALL_HEIGHT), shade, 0.0), height >= WALL_HEIGHT


def _camera_rays() -> np.ndarray:
    """Return the directions of SUPERSAMPLING² rays per pixel, row by row, (36864, 3), not of unit length."""
    centres = (np.arange(SIZE * SUPERSAMPLING) + 0.5) / SUPERSAMPLING
    down, right = np.meshgrid(centres - SIZE / 2, centres - SIZE / 2, indexing="ij")
    up = -down.ravel() / FOCAL_LENGTH
    forward, upward = np.cos(PITCH) + up * np.sin(PITCH), up * np.cos(PITCH) - np.sin(PITCH)
    return np.stack([right.ravel() / FOCAL_LENGTH, forward, upward], axis=1)


def _floor_points(rays: np.ndarray) -> np.ndarray:
    """Return where rays meet the floor, (rays, 3); rays that never do get a point far away."""
    distance = np.where(rays[:, 2] < -1e-3, -CAMERA[2] / np.minimum(rays[:, 2], -1e-3), 1e3)
    return (CAMERA + distance[:, np.newaxis] * rays) * [1.0, 1.0, 0.0]


def _in_room(vectors: np.ndarray, angle: float) -> np.ndarray:
    """Express vectors (..., 3) in the axes of a room turned by an angle."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return vectors @ np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])


def _shade(normals: np.ndarray) -> np.ndarray:
    """Compute the brightness of surfaces from their unit normals (..., 3)."""
    to_viewer = np.array([0.0, -np.cos(PITCH), np.sin(PITCH)])
    return AMBIENT + HEADLIGHT * np.maximum(normals @ to_viewer, 0) + DIFFUSE * np.maximum(normals @ LIGHT, 0)


def _spot(points: np.ndarray) -> np.ndarray:
    """Compute the strength of the light at floor points (n, 3)."""
    return SPOT_GAIN * np.exp(-0.5 * (((points[:, :2] - SPOT_CENTRE) / SPOT_WIDTH) ** 2).sum(axis=1))


def _parts(shape: int, scale: float, angle: float) -> list["_Part"]:
    """Return the convex bodies that make up an object."""
    if shape == 0:
        return [_Box(CUBE_HALF_SIDE * scale, angle)]
    if shape == 1:
        return [_Cylinder(CYLINDER_RADIUS * scale, 0.0, CYLINDER_HEIGHT * scale)]
    if shape == 2:
        return [_Sphere(SPHERE_RADIUS * scale, SPHERE_RADIUS * scale)]
    radius, top = CAPSULE_RADIUS * scale, (CAPSULE_HEIGHT - CAPSULE_RADIUS) * scale
    return [_Cylinder(radius, radius, top), _Sphere(radius, radius), _Sphere(radius, top)]


class _Part(Protocol):
    """A convex body on the axis of the room."""

    def hit(self, origins: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the distance (n,) to the body, infinite for rays that miss it, and the unit normal (n, 3) there.

        Origins are (n, 3) or (3,), directions (n, 3). Distances are positive multiples of the directions' lengths.
        """
        ...


@dataclass(frozen=True)
class _Sphere:
    radius: float
    height: float

    def hit(self, origins: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        offset = origins - [0.0, 0.0, self.height]
        distance = _quadric(offset, directions, self.radius)[0]
        distance = np.where(distance > 0, distance, np.inf)
        return distance, _at(offset, distance, directions) / self.radius


@dataclass(frozen=True)
class _Cylinder:
    radius: float
    bottom: float
    top: float

    def hit(self, origins: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        near, far = _quadric(origins[..., :2], directions[:, :2], self.radius)
        low, high = _slab(origins[..., 2], directions[:, 2], self.bottom, self.top)
        distance = np.maximum(near, low)
        distance = np.where((distance <= np.minimum(far, high)) & (distance > 0), distance, np.inf)
        around = _at(origins, distance, directions) * [1.0, 1.0, 0.0] / self.radius
        return distance, np.where((low > near)[:, np.newaxis], [0.0, 0.0, 1.0], around)


@dataclass(frozen=True)
class _Box:
    half_side: float
    angle: float

    def hit(self, origins: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        centred = _in_room(origins, self.angle) - [0.0, 0.0, self.half_side]
        turned = _in_room(directions, self.angle)
        low, high = _slab(centred, turned, -self.half_side, self.half_side)
        distance = low.max(axis=-1)
        distance = np.where((distance <= high.min(axis=-1)) & (distance > 0), distance, np.inf)
        normal = -np.sign(turned) * (low == low.max(axis=-1, keepdims=True))
        return distance, _in_room(normal, -self.angle)


def _quadric(offsets: np.ndarray, directions: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the distances (n,) at which lines enter and leave |x| = radius in 2 or 3 dimensions; inf and -inf if never."""
    a = (directions**2).sum(axis=-1)
    b = (offsets * directions).sum(axis=-1)
    discriminant = b**2 - a * ((offsets**2).sum(axis=-1) - radius**2)
    root = np.sqrt(np.maximum(discriminant, 0))
    met = discriminant > 0
    return np.where(met, (-b - root) / a, np.inf), np.where(met, (-b + root) / a, -np.inf)


def _slab(offsets: np.ndarray, directions: np.ndarray, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the distances at which lines enter and leave low <= x <= high, for each coordinate."""
    slope = np.where(np.abs(directions) < 1e-12, 1e-12, directions)
    first, second = (low - offsets) / slope, (high - offsets) / slope
    return np.minimum(first, second), np.maximum(first, second)


def _at(origins: np.ndarray, distances: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Return the points at finite distances along the rays, and the origins of all other rays."""
    return origins + np.where(np.isfinite(distances), distances, 0.0)[:, np.newaxis] * directions
