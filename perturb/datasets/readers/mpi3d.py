"""MPI3D (Gondal et al. 2019): an object held by a robot arm, in simple renderings, realistic renderings and photographs.

A published file is an archive with one member, `images`, uint8 (n, 64, 64, 3), and no labels: the images run through the
factor grid in order, with the vertical axis varying fastest. There are two generations of files, distinguished by their
number of images. Files that are published now have 6 colours and 6 shapes (1,036,800 images, all three datasets); files of
the NeurIPS 2019 challenge, which disentanglement_lib knows as toy and realistic, have 4 and 4 (460,800).
"""

import errno
import shutil
import struct
import tempfile
import zipfile
from functools import cached_property
from pathlib import Path
from typing import IO

import numpy as np

from perturb.datasets.credit import Credit
from perturb.datasets.ground_truth import FactorGrid
from perturb.datasets.npz import npy_header
from perturb.datasets.readers.published_file import PublishedFile
from perturb.errors import UserError
from perturb.reading import reading

URL = "https://github.com/rr-learning/disentanglement_dataset"
LICENCE = "CC-BY-4.0"
BIBTEX = """\
@inproceedings{gondal2019transfer,
  title     = {On the Transfer of Inductive Bias from Simulation to the Real World: a New Disentanglement Dataset},
  author    = {Gondal, Muhammad Waleed and W{\\"u}thrich, Manuel and Miladinovi{\\'c}, {\\DJ}or{\\dj}e and
               Locatello, Francesco and Breidt, Martin and Volchkov, Valentin and Akpo, Joel and Bachem, Olivier and
               Sch{\\"o}lkopf, Bernhard and Bauer, Stefan},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {32},
  year      = {2019}
}
"""
SIZE = 64
NAMES = (
    "object_color", "object_shape", "object_size", "camera_height", "background_color", "horizontal_axis", "vertical_axis",
)  # fmt: skip
UNORDERED = ("object_color", "object_shape", "background_color")
PUBLISHED = FactorGrid(NAMES, (6, 6, 2, 3, 3, 40, 40), UNORDERED)
CHALLENGE = FactorGrid(NAMES, (4, 4, 2, 3, 3, 40, 40), UNORDERED)
BLOCK = 1 << 24
"""Bytes unpacked at a time."""


class MPI3DFile(PublishedFile):
    """MPI3D from a published .npz file. The three subclasses differ only in name, credit and md5.

    Archives written by `numpy.savez`, as in the authors' own script, are not compressed: their images are memory-mapped in
    place, and nothing is copied. A compressed archive gives no access to single images. The first call of `images` unpacks
    it, block by block, into an unnamed temporary file that disappears with the process, however it ends. This takes 12.7 GB
    (5.7 GB for a challenge file) in the folder named by the environment variable TMPDIR.

    Files that are published now are checked against their known md5 (from disent 0.8). For challenge files only the layout
    is known. Opening a file reads all of it to compute its digests.

    Args:
        path: a file named *.npz.
        check: whether the md5 must be the published one; the layout is always checked.
        md5: expected instead of the published one, whatever the number of images.
        grids: allowed instead of the two official ones.

    Raises:
        UserError: the file is missing, is not the published one, or has another layout, or the disk has too little space to
            unpack it.

    """

    layout = "shapes3d"
    grid = PUBLISHED
    url = URL
    rendered = False
    digests = ("sha256", "md5")
    image_shape = (SIZE, SIZE, 3)
    md5: str

    def __init__(
        self,
        path: Path,
        *,
        check: bool = True,
        md5: str | None = None,
        grids: tuple[FactorGrid, ...] = (PUBLISHED, CHALLENGE),
    ) -> None:
        grid = self.grid_in(path, grids)
        super().__init__(path, grid, tuple(np.arange(float(size)) for size in grid.sizes))
        if check:
            self._require_digest(md5 or (self.md5 if grid is PUBLISHED else None), "md5")

    @classmethod
    def grid_in(cls, path: Path, grids: tuple[FactorGrid, ...] = (PUBLISHED, CHALLENGE)) -> FactorGrid:
        """Return the grid that has the file's number of images. Reads two headers only."""
        given = "no such array"
        try:
            with zipfile.ZipFile(path) as archive, archive.open("images.npy") as member:
                shape, dtype = npy_header(member)
                length = archive.getinfo("images.npy").file_size - member.tell()
        except FileNotFoundError:
            raise UserError(f"{path}: there is no such file; get it from {URL}.") from None
        except Exception:  # zipfile and NumPy raise all kinds of exceptions if it is damaged, encrypted or not an archive
            pass
        else:
            given = f"{dtype} {shape} in {length} bytes"
            for grid in grids:
                expected = (grid.num_images, SIZE, SIZE, 3)
                if (shape, dtype, length) == (expected, np.uint8, np.prod(expected)):
                    return grid
        numbers = " or ".join(str(grid.num_images) for grid in grids)
        raise UserError(
            f"{path}: must be an archive with the array `images`, uint8 ({numbers}, {SIZE}, {SIZE}, 3), got {given}; get "
            f"the file again from {URL}."
        )

    def images(self, indices: np.ndarray) -> np.ndarray:
        """Return images by number, in any order and with repetitions, uint8 (n, 64, 64, 3)."""
        return self._images[self.grid.checked(indices)]

    @cached_property
    def _images(self) -> np.ndarray:
        """All images, memory-mapped."""
        with zipfile.ZipFile(self.path) as archive, archive.open("images.npy") as member:
            npy_header(member)
            start, info = member.tell(), archive.getinfo("images.npy")
            if info.compress_type != zipfile.ZIP_STORED:
                return self._unpacked_member(member)
        with reading(self.path, self._remedy, "`images` is damaged"):
            offset = start + _start_of(self.path, info)
            return np.memmap(self.path, np.uint8, "r", offset, (self.grid.num_images, *self.image_shape))

    def _unpacked_member(self, member: IO[bytes]) -> np.ndarray:
        shape = (self.grid.num_images, *self.image_shape)
        needed, folder = int(np.prod(shape)), tempfile.gettempdir()
        try:
            if shutil.disk_usage(folder).free < needed:
                raise OSError(errno.ENOSPC, "too little room is left")
            with tempfile.TemporaryFile(dir=folder) as file:
                while block := self._block(member):
                    file.write(block)
                file.flush()
                return np.memmap(file, np.uint8, "r", shape=shape)
        except OSError as error:
            raise UserError(
                f"{self.path}: must be unpacked, which needs {needed / 1e9:,.2f} GB in {folder} ({error.strerror}); make "
                "room, or name another folder in the environment variable TMPDIR."
            ) from None

    def _block(self, member: IO[bytes]) -> bytes:
        """Read the next bytes of the member. Its checksum is verified with the last ones."""
        with reading(self.path, self._remedy, "`images` is damaged"):
            return member.read(BLOCK)


class MPI3DToyFile(MPI3DFile):
    """Simplistic rendered images."""

    name = "mpi3d_toy"
    credit = Credit("MPI3D, simplistic renderings", LICENCE, URL, BIBTEX)
    md5 = "55889cb7c7dfc655d6e0277beee88868"


class MPI3DRealisticFile(MPI3DFile):
    """Realistic rendered images."""

    name = "mpi3d_realistic"
    credit = Credit("MPI3D, realistic renderings", LICENCE, URL, BIBTEX)
    md5 = "59a6225b88b635365f70c91b3e52f70f"


class MPI3DRealFile(MPI3DFile):
    """Photographs of simple shapes."""

    name = "mpi3d_real"
    credit = Credit("MPI3D, photographs", LICENCE, URL, BIBTEX)
    md5 = "0f33f609918fb5c97996692f91129802"


def _start_of(path: Path, member: zipfile.ZipInfo) -> int:
    """Return the offset of a member's bytes in an archive: after its local header, which zipfile has already checked."""
    with path.open("rb") as file:
        file.seek(member.header_offset)
        name_length, extra_length = struct.unpack("<26x2H", file.read(30))
    return member.header_offset + 30 + name_length + extra_length
