"""The cache of a benchmark file: all its images unpacked in a folder beside it, mapped read-only.

The cache has no hash of its own: its images are held against the one that the benchmark file states, all of them, before a
process reads the first. A cache of other images is not used, and made again.
"""

import hashlib
import logging
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from perturb.datasets.ground_truth import FactorGrid
from perturb.datasets.hdf5.layouts import WHITE
from perturb.datasets.pixels import IMAGES, Pixels, write_pixels
from perturb.errors import UserError
from perturb.files import flush_to_disk, read_json, write_json
from perturb.proofs import proved

CACHE = ".pixels"
"""Suffix of the cache folder, after the name of its file."""
MANIFEST = "manifest.json"
BATCH = 1_024
READ_ONLY = 0o444
"""Permissions of the unpacked images."""

log = logging.getLogger(__name__)


class Packed(Protocol):
    """The properties of a benchmark file that its cache is made from and checked against."""

    path: Path
    images_sha256: str
    white: int
    grid: FactorGrid

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(height, width, channels)."""
        ...

    def all_images(self) -> Iterator[np.ndarray]:
        """All images in order, uint8 (n, height, width, channels), white 255, proved by the end."""
        ...


def cache_of(path: Path) -> Path:
    """The cache folder of a file."""
    return path.with_name(path.name + CACHE)


def open_cache(file: Packed) -> Pixels | None:
    """The unpacked images of a file, proved; None where there are none, or others."""
    folder = cache_of(file.path)
    if not (folder / MANIFEST).is_file():
        return None
    try:
        if read_json(folder / MANIFEST) != _identity(file):
            return None
        pixels = Pixels.map(folder / IMAGES)
        if holds(pixels, file):
            return pixels
    except (UserError, OSError, ValueError, EOFError):
        pass
    log.warning("%s is damaged and not read; `perturb dataset cache %s` makes it again.", folder, file.path)
    return None


def is_damaged(file: Packed) -> bool:
    """Return whether there is a cache that says it is of this very file, and is not."""
    manifest = cache_of(file.path) / MANIFEST
    if not manifest.is_file():
        return False
    try:
        said = read_json(manifest)
    except UserError:
        return True
    return said == _identity(file) and open_cache(file) is None


def holds(pixels: Pixels, file: Packed) -> bool:
    """Return whether mapped images are all those of a file, byte for byte; read once, and again after they changed."""

    def check() -> bool:
        if pixels.shape != (file.grid.num_images, *file.image_shape):
            return False
        digest = hashlib.sha256()
        for start in range(0, file.grid.num_images, BATCH):
            block = pixels.images(slice(start, start + BATCH))
            digest.update(np.ascontiguousarray(block if file.white == WHITE else block // np.uint8(WHITE)).data)
        return digest.hexdigest() == file.images_sha256

    return proved(cache_of(file.path) / IMAGES, f"images {file.images_sha256}", check)


def unpack(file: Packed, report: Callable[[int, int], None]) -> Path:
    """Unpack all images of a file beside it; the folder.

    Args:
        file: whose images are read, and proved on the way.
        report: told (images unpacked, images in all).

    Raises:
        UserError: a damaged file, or a disk without the room for its images.

    """
    folder, (height, width, channels) = cache_of(file.path), file.image_shape
    part = folder.with_name(f"{folder.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        part.mkdir()
        shape = (file.grid.num_images, height, width, channels)
        images = write_pixels(part, file.all_images(), shape=shape, destination=folder, report=report)
        images.chmod(READ_ONLY)
        write_json(part / MANIFEST, _identity(file))
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(part, folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    flush_to_disk(folder.parent)
    return folder


def _identity(file: Packed) -> dict[str, str | int]:
    """Return the properties that tie a cache to its file; `holds` finds out whether the images are right."""
    status = file.path.stat()
    return {"images_sha256": file.images_sha256, "bytes": status.st_size, "modified_ns": status.st_mtime_ns}
