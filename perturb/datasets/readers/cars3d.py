"""Cars3D (Reed et al. 2015): 183 car models, seen from 4 elevations and 24 azimuths.

The published archive has one file per car, data/cars/car_*_mesh.mat, with an array `im`, uint8 (128, 128, 3, 24, 4), that
holds an image for each azimuth and elevation. As in disentanglement_lib, images are downsampled with Lanczos, elevation is
the first factor, and the car type is the last. disentanglement_lib numbers the types in the order in which the folder
happens to be listed; here they are sorted by file name.
"""

import hashlib
import io
import re
import tarfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np

from perturb.datasets.credit import UNKNOWN, Credit
from perturb.datasets.ground_truth import FactorGrid
from perturb.datasets.readers.published_file import PublishedFile, resized
from perturb.files import digests_of
from perturb.reading import reading

URL = "http://www.scottreed.info/files/nips2015-analogy-data.tar.gz"
ARCHIVE_MD5 = "4e866a7919c1beedf53964e6f7a23686"
SIZE, ORIGINAL_SIZE = 64, 128
GRID = FactorGrid(("elevation", "azimuth", "type"), (4, 24, 183), unordered=("type",))
LARGEST_FILE, LARGEST_ARCHIVE = 1 << 26, 1 << 34
"""Maximum bytes of a .mat file and of the unpacked archive: about ten times the size of the published ones."""
BIBTEX = """\
@inproceedings{reed2015deep,
  title     = {Deep Visual Analogy-Making},
  author    = {Reed, Scott and Zhang, Yi and Zhang, Yuting and Lee, Honglak},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {28},
  year      = {2015}
}
"""
_MEMBER = re.compile(r"(\./)?(data/)?cars/([A-Za-z0-9_-]+\.mat)")


class Cars3DFile(PublishedFile):
    """Cars3D from nips2015-analogy-data.tar.gz, or from the folder `cars` in it.

    The first call of `images` reads all files and keeps the downsampled images in memory (216 MB), which takes about ten
    seconds. An archive is read as a stream, and nothing is unpacked to disk. An archive is checked against its known md5
    (from disent 0.8); of the files in a folder, only the layout is checked.

    Args:
        path: of the archive, named *.tar.gz or *.tgz, or of a folder with the .mat files.
        check: whether the md5 of an archive must be the published one; the layout is always checked.
        md5: expected instead of the published one.
        grid: of the files, if not the official one.

    Raises:
        UserError: the file or folder does not exist, is not the published one, or has another layout.

    """

    name = "cars3d"
    credit = Credit("Cars3D", UNKNOWN, URL, BIBTEX)
    layout = "shapes3d"
    grid = GRID
    url = URL
    rendered = False
    digests = ("sha256", "md5")
    image_shape = (SIZE, SIZE, 3)
    _kind = "file or folder"

    def __init__(self, path: Path, *, check: bool = True, md5: str = ARCHIVE_MD5, grid: FactorGrid = GRID) -> None:
        super().__init__(path, grid, tuple(np.arange(float(size)) for size in grid.sizes))
        if not self.path.is_dir():
            self._require_digest(md5 if check else None, "md5")
        elif (given := len(self._files())) != grid.sizes[2]:
            raise self._unusable(f"must have {grid.sizes[2]} files *.mat in it, got {given}")

    def images(self, indices: np.ndarray) -> np.ndarray:
        """Return images by number, in any order and with repetitions, uint8 (n, 64, 64, 3)."""
        elevations, azimuths, types = self.grid.factors_of(self.grid.checked(indices)).T
        return self._cars[types, azimuths, elevations]

    def _is_there(self) -> bool:
        return self.path.exists()

    @cached_property
    def _digests(self) -> dict[str, str]:
        """Digests of an archive. For a folder: the SHA-256 of the output of `sha256sum *.mat`."""
        if self.path.is_file():
            return digests_of(self.path, self.digests)
        lines = [f"{digests_of(file, ['sha256'])['sha256']}  {file.name}\n" for file in self._files()]
        return {"sha256": hashlib.sha256("".join(lines).encode()).hexdigest()}

    @cached_property
    def _cars(self) -> np.ndarray:
        """All images, uint8 (types, azimuths, elevations, 64, 64, 3)."""
        cars: dict[str, np.ndarray] = {}
        for name, content in self._contents():
            if name in cars or len(cars) == self.grid.sizes[2]:
                raise self._unusable(f"must have {self.grid.sizes[2]} files cars/*.mat, got more, or {name} twice")
            cars[name] = self._views(name, content)
        if len(cars) < self.grid.sizes[2]:
            raise self._unusable(f"must have {self.grid.sizes[2]} files cars/*.mat, got {len(cars)}")
        return np.stack([cars[name] for name in sorted(cars)])

    def _files(self) -> list[Path]:
        return sorted(self.path.glob("*.mat"), key=lambda file: file.name)

    def _contents(self) -> Iterator[tuple[str, bytes]]:
        """Yield name and bytes of every .mat file. Links and other members are skipped, and member paths are ignored."""
        if self.path.is_dir():
            for file in self._files():
                self._require_size(file.name, file.stat().st_size, LARGEST_FILE)
                yield file.name, file.read_bytes()
            return
        finding = "must be a folder or a .tar.gz archive, but cannot be read as one"
        with reading(self.path, self._remedy, finding), tarfile.open(self.path, "r|gz") as archive:
            for member in archive:
                self._require_size(self.path.name, member.offset_data + member.size, LARGEST_ARCHIVE)
                if member.isreg() and (match := _MEMBER.fullmatch(member.name)):
                    self._require_size(member.name, member.size, LARGEST_FILE)
                    content = archive.extractfile(member)
                    assert content is not None  # it is a regular file
                    yield match[3], content.read()

    def _require_size(self, name: str, size: int, largest: int) -> None:
        if size > largest:
            raise self._unusable(f"{name} must have at most {largest:,} bytes, got {size:,}")

    def _views(self, name: str, content: bytes) -> np.ndarray:
        """Return the images of a car, uint8 (azimuths, elevations, 64, 64, 3)."""
        from scipy.io import loadmat, whosmat

        elevations, azimuths, _ = self.grid.sizes
        expected = (ORIGINAL_SIZE, ORIGINAL_SIZE, 3, azimuths, elevations)
        try:
            announced = {key: (shape, kind) for key, shape, kind in whosmat(io.BytesIO(content))}
            if announced.get("im") == (expected, "uint8"):
                views = loadmat(io.BytesIO(content), variable_names=["im"])["im"]
            given = announced.get("im", f"the arrays {sorted(announced)}")
        except Exception as error:  # scipy's reader raises all kinds of exceptions on a damaged file
            raise self._unusable(f"{name} must be a MATLAB file of version 5, but cannot be read as one") from error
        if given != (expected, "uint8"):
            raise self._unusable(f"{name} must have the array `im`, uint8 {expected}, got {given}")
        flat = np.moveaxis(views, (3, 4), (0, 1)).reshape(-1, ORIGINAL_SIZE, ORIGINAL_SIZE, 3)
        small = np.stack([resized(view, SIZE) for view in flat])
        return small.reshape(azimuths, elevations, *self.image_shape)
