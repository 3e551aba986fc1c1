"""SmallNORB (LeCun, Huang, Bottou 2004): photographs of 50 toys from several angles and in several lightings.

The two published splits together form a full grid: 5 categories, 10 instances of each (five per split), 9 elevations, 18
azimuths and 6 lightings. disentanglement_lib hides the instance and draws one at random for each image. Our ground truths
have one image per point of the grid, so here the instance is a factor like the others.

Images are those of the left camera, downsampled from 96 to 64 pixels with Lanczos, as in disentanglement_lib. It resizes in
32-bit integers, which leaves values below 0 and above 255 near edges; here values stay within 0 … 255.
"""

import gzip
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from io import BufferedIOBase
from pathlib import Path
from types import MappingProxyType

import numpy as np

from perturb.datasets.credit import Credit
from perturb.datasets.ground_truth import FactorGrid
from perturb.datasets.readers.published_file import PublishedFile, resized
from perturb.files import sha256_of
from perturb.reading import reading

URL = "https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/"
BIBTEX = """\
@inproceedings{lecun2004learning,
  title     = {Learning Methods for Generic Object Recognition with Invariance to Pose and Lighting},
  author    = {LeCun, Yann and Huang, Fu Jie and Bottou, L{\\'e}on},
  booktitle = {IEEE Computer Society Conference on Computer Vision and Pattern Recognition},
  year      = {2004}
}
"""
SPLITS = ("smallnorb-5x46789x9x18x6x2x96x96-training", "smallnorb-5x01235x9x18x6x2x96x96-testing")
SHA256 = MappingProxyType(
    {
        f"{SPLITS[0]}-dat.mat.gz": "5ffd6272a07d32695ee1082a26a41a93a37aab8c28da047f8c34ed348d214873",
        f"{SPLITS[0]}-cat.mat.gz": "2784e542c1922060691090952b6cd6278879a216c90f81476f0f00256d42cdaa",
        f"{SPLITS[0]}-info.mat.gz": "de7eb932ebe7a4ee16217fead60660d0eb3d23632c2f4d1c51f88c501c17bf32",
        f"{SPLITS[1]}-dat.mat.gz": "cf7104eed3e51174d2f65b66d1e5878b9da233b886f161b0d88f4510ba2c7474",
        f"{SPLITS[1]}-cat.mat.gz": "ecaf6d5bb8c3bc5eab9cf0258f6d2198dd474e016e374836fc097f2e5ff509ff",
        f"{SPLITS[1]}-info.mat.gz": "16adf314226327ee006d1a44db8cfef52773c06c829951d5653a9f6f310248a2",
    }
)
"""SHA-256 of the published files, from the checksums of tensorflow_datasets."""
SIZE, ORIGINAL_SIZE = 64, 96
GRID = FactorGrid(
    ("category", "instance", "elevation", "azimuth", "lighting"),
    (5, 10, 9, 18, 6),
    unordered=("category", "instance", "lighting"),
)
FACTOR_VALUES = (np.arange(5.0), np.arange(10.0), 30.0 + 5.0 * np.arange(9), 20.0 * np.arange(18), np.arange(6.0))
"""Elevation and azimuth in degrees; categories are animal, human, plane, truck, car."""
BLOCK = 512
"""Image pairs read at a time: 9 MB."""
_UINT8, _INT32 = (0x1E3D4C55, np.dtype("u1")), (0x1E3D4C54, np.dtype("<i4"))
_PARTS = {"dat": (_UINT8, (2, ORIGINAL_SIZE, ORIGINAL_SIZE)), "cat": (_INT32, ()), "info": (_INT32, (4,))}
"""Kinds of files: the code and dtype of the elements, and the shape of a row."""


class SmallNORBFile(PublishedFile):
    """SmallNORB from a folder with the six published files, under their published names, with or without the suffix .gz.

    Labels are read on opening. The first call of `images` reads all images and keeps them in memory (199 MB), which takes
    about ten seconds. Compressed files are checked against their published sha256; none is known for unpacked files, so only
    their layout is checked.

    Args:
        path: of the folder.
        check: whether the sha256 of compressed files must be the published one; the layout is always checked.
        sha256: expected by file name, instead of the published ones.
        grid: of the files, if not the official one.

    Raises:
        UserError: the folder or a file is missing, or a file is not the published one or has another layout.

    """

    name = "smallnorb"
    credit = Credit("SmallNORB", "for research purposes, not to be sold", URL, BIBTEX)
    layout = "shapes3d"
    grid = GRID
    factor_values = FACTOR_VALUES
    url = URL
    rendered = False
    image_shape = (SIZE, SIZE, 1)
    _kind = "folder"

    def __init__(
        self, path: Path, *, check: bool = True, sha256: Mapping[str, str] = SHA256, grid: FactorGrid = GRID
    ) -> None:
        super().__init__(path, grid, FACTOR_VALUES)
        self._files = {(split, part): self._file(f"{split}-{part}.mat") for split in SPLITS for part in _PARTS}
        for file in self._files.values() if check else ():
            expected, given = sha256.get(file.name), self._sha256_by_name[file.name]
            if expected not in (None, given):
                raise self._unusable(f"sha256 of {file.name} must be {expected}, got {given}")
        labels = {split: self._labels(split) for split in SPLITS}
        self._lengths = {split: len(rows) for split, rows in labels.items()}
        self._rows = self._rows_of_grid(np.concatenate(list(labels.values())))

    def images(self, indices: np.ndarray) -> np.ndarray:
        """Return images by number, in any order and with repetitions, uint8 (n, 64, 64, 1)."""
        return self._images[self._rows[self.grid.checked(indices)]]

    def _is_there(self) -> bool:
        return self.path.is_dir()

    def _file(self, name: str) -> Path:
        for file in (self.path / name, self.path / f"{name}.gz"):
            if file.is_file():
                return file
        raise self._unusable(f"{name} or {name}.gz must be in it")

    @cached_property
    def _sha256_by_name(self) -> dict[str, str]:
        return {file.name: sha256_of(file) for file in self._files.values()}

    @cached_property
    def _digests(self) -> dict[str, str]:
        """SHA-256 of the output of `sha256sum` for the six files, sorted by name."""
        lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(self._sha256_by_name.items()))
        return {"sha256": hashlib.sha256(lines.encode()).hexdigest()}

    def _labels(self, split: str) -> np.ndarray:
        """Read the labels of a split's images, int32 (n, 5)."""
        category, info = (np.concatenate(list(self._blocks(split, part))) for part in ("cat", "info"))
        if len(category) != len(info):
            raise self._unusable(f"the labels of {split} must be equally many, got {len(category)} and {len(info)}")
        return np.column_stack([category, info])

    def _rows_of_grid(self, factors: np.ndarray) -> np.ndarray:
        """Return the row of each image number, given the labels `factors` (n, 5) of all rows."""
        azimuths, odd = np.divmod(factors[:, 3], 2)  # numbered 0, 2, 4, … in the files
        factors = np.column_stack([factors[:, :3], azimuths, factors[:, 4]])
        columns: tuple[np.ndarray, ...] = tuple(factors.T)
        numbers = np.ravel_multi_index(columns, self.grid.sizes, mode="clip")
        outside = (self.grid.factors_of(numbers) != factors).any() or odd.any()
        if outside or not np.array_equal(np.sort(numbers), np.arange(self.grid.num_images)):
            raise self._unusable(f"the labels must name each of the {self.grid.num_images} points of the grid once")
        return np.argsort(numbers)

    @cached_property
    def _images(self) -> np.ndarray:
        """All images in the order of the files, uint8 (images, 64, 64, 1)."""
        small = np.empty((self.grid.num_images, *self.image_shape), np.uint8)
        blocks = (block for split in SPLITS for block in self._blocks(split, "dat", rows=self._lengths[split]))
        for row, (left, _) in enumerate(pair for block in blocks for pair in block):
            small[row, ..., 0] = resized(left, SIZE)
        return small

    def _blocks(self, split: str, part: str, *, rows: int | None = None) -> Iterator[np.ndarray]:
        """Yield the rows of a file in order, in blocks (n, *shape of a row); `rows` is their total number, if known."""
        (code, dtype), shape = _PARTS[part]
        file, size = self._files[split, part], int(np.prod(shape)) * dtype.itemsize
        with self._opened(file) as stream:
            total = self._announced_rows(file.name, stream, code, shape)
            if rows not in (None, total):
                raise self._unusable(f"{file.name} must have a row for each of {rows} labels, got {total}")
            for start in range(0, total, BLOCK):
                length = min(BLOCK, total - start)
                content = stream.read(length * size)
                if len(content) < length * size:
                    raise self._unusable(
                        f"{file.name} must have {total} rows, and ends after {start + len(content) // size}"
                    )
                yield np.frombuffer(content, dtype).reshape(length, *shape)
            if stream.read(1):
                raise self._unusable(f"{file.name} must have {total} rows, and goes on after them")

    def _announced_rows(self, name: str, stream: BufferedIOBase, code: int, shape: tuple[int, ...]) -> int:
        """Read the number of rows from a header: type code, number of dimensions, three sizes or more, all int32."""
        dimensions = 1 + len(shape)
        length = 4 * (2 + max(3, dimensions))
        header = np.frombuffer(stream.read(length).ljust(length, b"\0"), "<i4").tolist()
        if [*header[:2], *header[3 : 2 + dimensions]] != [code, dimensions, *shape]:
            raise self._unusable(f"{name} must have rows of the shape {shape}, got the header {header}")
        if not 1 <= header[2] <= self.grid.num_images:
            raise self._unusable(f"{name} must have 1 … {self.grid.num_images} rows, got {header[2]}")
        return header[2]

    @contextmanager
    def _opened(self, file: Path) -> Iterator[BufferedIOBase]:
        opened = gzip.open if file.suffix == ".gz" else open
        with reading(self.path, self._remedy, f"{file.name} is damaged"), opened(file, "rb") as stream:
            yield stream
