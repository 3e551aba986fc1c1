"""dSprites and Shapes3D as prepared by tensorflow_datasets: a folder such as dsprites/2.0.0.

It must have been prepared as array_record (`tfds.builder("dsprites", file_format="array_record").download_and_prepare()`,
which needs TensorFlow once), a format that can be read without TensorFlow. The default format, tfrecord, cannot.

tensorflow_datasets shuffles the examples. The labels of an example give its position in the grid, and every position must
occur exactly once. The folder's two JSON files are checked before anything else is opened, because tensorflow_datasets
imports the classes that they name.
"""

import hashlib
import io
import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from perturb.datasets.ground_truth import FactorGrid
from perturb.datasets.readers.published_file import PublishedFile
from perturb.datasets.renderers import dsprites, shapes3d
from perturb.errors import UserError, adds
from perturb.files import sha256_of

INFO, FEATURES = "dataset_info.json", "features.json"
LARGEST_JSON = 1 << 20
FORMAT = "array_record"
TEMPLATE = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"
CLASSES = "tensorflow_datasets.core.features."
BLOCK = 4096
"""Number of examples that are read at a time."""


class _TFDSFolder(PublishedFile):
    """Base class of the two readers.

    Args:
        path: the folder that contains dataset_info.json.
        grid: of the folder, if not the official one; each factor takes the first of its official values.

    Raises:
        UserError: the folder does not exist, has another format or dataset, or the package tensorflow_datasets is not
            installed. When images are read: an example is damaged, or a point of the grid occurs twice.

    """

    url = "tensorflow_datasets"
    _kind = "folder"

    def __init__(self, path: Path, *, grid: FactorGrid | None = None) -> None:
        super().__init__(path, grid)
        try:
            self._check_info(self._json(INFO))
            self._check_features(self._json(FEATURES))
        except (AttributeError, KeyError, OSError, RecursionError, TypeError, ValueError):
            raise self._unusable(
                f"must be a folder of a version that tensorflow_datasets has prepared, with {INFO} and {FEATURES} in it"
            ) from None
        _package()

    def _is_there(self) -> bool:
        return self.path.is_dir()

    def _json(self, name: str) -> dict[str, Any]:
        with (self.path / name).open("rb") as file:
            return json.loads(file.read(LARGEST_JSON))

    def _check_info(self, info: dict[str, Any]) -> None:
        if info["fileFormat"] != FORMAT:
            raise self._unusable(f"must be prepared with file_format={FORMAT!r}, got {info['fileFormat']!r}")
        for split in info["splits"]:
            if split.get("filepathTemplate", TEMPLATE) != TEMPLATE:
                raise self._unusable(f"its files must be named {TEMPLATE}, got {split['filepathTemplate']}")
        given = sum(int(length) for split in info["splits"] if split["name"] == "train" for length in split["shardLengths"])
        if given != self.grid.num_images:
            raise self._unusable(f"its split train must have {self.grid.num_images} examples, got {given}")

    def _check_features(self, features: dict[str, Any]) -> None:
        foreign = sorted(name for name in _class_names(features) if not name.startswith(CLASSES))
        if foreign:
            raise self._unusable(f"its features must be classes of {CLASSES}*, got {', '.join(foreign)}")
        by_name = features["featuresDict"]["features"]
        shape = tuple(int(size) for size in by_name["image"]["image"]["shape"]["dimensions"])
        sizes = tuple(int(by_name[f"label_{name}"]["classLabel"]["numClasses"]) for name in self.grid.names)
        if (shape, sizes) != (self.image_shape, self.grid.sizes):
            raise self._unusable(
                f"its images and labels must be of sizes {self.image_shape} and {self.grid.sizes}, got {shape} and {sizes}"
            )

    @cached_property
    def _digests(self) -> dict[str, str]:
        """SHA-256 of the output of `sha256sum *` in the folder."""
        files = sorted((file for file in self.path.iterdir() if file.is_file()), key=lambda file: file.name)
        lines = "".join(f"{sha256_of(file)}  {file.name}\n" for file in files)
        return {"sha256": hashlib.sha256(lines.encode()).hexdigest()}

    @cached_property
    def _source(self) -> Any:  # noqa: ANN401
        """Examples by row, with their images still compressed."""
        tfds = _package()
        builder = tfds.builder_from_directory(str(self.path))
        return builder.as_data_source("train", decoders={"image": tfds.decode.SkipDecoding()})

    def _examples(self, rows: np.ndarray) -> list[dict[str, Any]]:
        try:
            return self._source.__getitems__(rows.tolist())
        except Exception as error:  # C++ and protobuf raise all kinds of exceptions on a damaged file
            raise self._unusable("its examples are damaged, or not those that dataset_info.json tells of") from error

    def _in_rows(self) -> Iterator[tuple[int, np.ndarray, list[dict[str, Any]]]]:
        """Yield all examples in stored order, in blocks: first row, image numbers (n,), examples. No number occurs twice."""
        seen = np.zeros(self.grid.num_images, bool)
        for start in range(0, self.grid.num_images, BLOCK):
            examples = self._examples(np.arange(start, min(start + BLOCK, self.grid.num_images)))
            labels = self._labels(examples)
            numbers = self.grid.indices_of(labels)
            for number in numbers[seen[numbers] | (np.bincount(numbers, minlength=len(seen))[numbers] > 1)]:
                raise self._unusable(
                    f"it has the labels {self.grid.factors_of(np.array([number]))[0].tolist()} twice, and others never"
                )
            seen[numbers] = True
            yield start, numbers, examples

    def _labels(self, examples: list[dict[str, Any]]) -> np.ndarray:
        """Return the factor classes of examples, int64 (n, factors)."""
        try:
            labels = np.array([[int(example[f"label_{name}"]) for name in self.grid.names] for example in examples])
        except (KeyError, TypeError, ValueError):
            raise self._unusable("its examples are damaged, and lack labels") from None
        if (labels < 0).any() or (labels >= self.grid.sizes).any():
            raise self._unusable(f"its labels must lie below {self.grid.sizes}, got {labels.max(axis=0).tolist()}")
        return labels

    def _image(self, example: dict[str, Any]) -> np.ndarray:
        """Decode the image of an example, uint8 (height, width, channels)."""
        height, width, channels = self.image_shape
        try:
            with Image.open(io.BytesIO(example["image"]), formats=["PNG"]) as image:
                if (image.size, image.mode) == ((width, height), "L" if channels == 1 else "RGB"):
                    return np.asarray(image).reshape(self.image_shape)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            pass
        raise self._unusable(f"its images must be PNG of the size {self.image_shape}, and one is not")


class DSpritesFolder(_TFDSFolder):
    """dSprites as prepared by tensorflow_datasets.

    The first call of `images` reads all examples into memory at one bit per pixel (377 MB), which takes about two minutes.
    """

    name = "dsprites"
    layout = "dsprites"
    grid = dsprites.GRID
    factor_values = dsprites.FACTOR_VALUES
    image_shape = (dsprites.SIZE, dsprites.SIZE, 1)
    binary = True

    def images(self, indices: np.ndarray) -> np.ndarray:
        """Return images by number, uint8 (n, 64, 64, 1), 0 or 255."""
        return self._unpacked(self._bits, indices)

    @cached_property
    def _bits(self) -> np.ndarray:
        """All images at eight pixels per byte, uint8 (images, 512)."""
        bits = np.empty((self.grid.num_images, dsprites.SIZE**2 // 8), np.uint8)
        for _, numbers, examples in self._in_rows():
            images = np.stack([self._image(example) for example in examples])
            if images.max() > 1:
                raise self._unusable(f"its images must hold 0 and 1 only, got {images.max()}")
            bits[numbers] = np.packbits(images.reshape(len(images), -1), axis=1)
        return bits


class Shapes3DFolder(_TFDSFolder):
    """Shapes3D as prepared by tensorflow_datasets.

    The first call of `images` reads all labels, which takes about a minute. Images are read from disk at each call, equally
    fast in any order.
    """

    name = "shapes3d"
    layout = "shapes3d"
    grid = shapes3d.GRID
    factor_values = shapes3d.FACTOR_VALUES
    image_shape = (shapes3d.SIZE, shapes3d.SIZE, 3)

    def images(self, indices: np.ndarray) -> np.ndarray:
        """Return images by number, in any order and with repetitions, uint8 (n, 64, 64, 3)."""
        rows = self._rows[self.grid.checked(indices)]
        if len(rows) == 0:
            return np.empty((0, *self.image_shape), np.uint8)
        return np.stack([self._image(example) for example in self._examples(rows)])

    @cached_property
    def _rows(self) -> np.ndarray:
        """The row of each image number's example."""
        rows = np.empty(self.grid.num_images, np.int64)
        for start, numbers, _ in self._in_rows():
            rows[numbers] = np.arange(start, start + len(numbers))
        return rows


def _package() -> Any:  # noqa: ANN401
    """Import tensorflow_datasets, or raise a UserError that it is not installed."""
    try:
        import array_record.python  # noqa: F401
        import tensorflow_datasets
    except ModuleNotFoundError as error:
        raise UserError(f"{error.name} is not installed, and reads this folder; {adds('tfds')}.") from None
    return tensorflow_datasets


def _class_names(value: Any) -> Iterator[str]:  # noqa: ANN401
    """Yield all values of `pythonClassName` in nested JSON."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if isinstance(value, dict) and "pythonClassName" in value:
        yield str(value["pythonClassName"])
    for part in inner:
        yield from _class_names(part)
