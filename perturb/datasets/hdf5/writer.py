"""Atomic writing of benchmark files.

The attribute `images_sha256` is the hash of the images' bytes in order, as stored.

The file is written as a temporary sibling, then flushed and renamed once its last image is written and its attribute
`complete` is set. HDF5 alone does not ensure this: after a kill, a truncated file can open without an error, with its full
shape and zeros at the end. And if the disk fills up, HDF5 crashes the process when the file is closed, so free space is
checked before every batch.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest
from pathlib import Path

import h5py
import numpy as np

from perturb.datasets.ground_truth import GroundTruth
from perturb.datasets.hdf5.layouts import LAYOUTS, WHITE, image_shape, labels
from perturb.datasets.hdf5.schema import BATCH, CHUNK_IMAGES, FORMAT_VERSION
from perturb.files import atomic_write, require_free_space

LABEL_BYTES = 128
"""Maximum size of the labels of an image: 16 numbers of 8 bytes."""
CACHE = 1 << 20
"""Size of HDF5's chunk cache per array, in bytes."""
MARGIN = 8 * CACHE
"""Disk space reserved for the chunk caches and HDF5's metadata, in bytes."""


def write_benchmark_file(
    path: Path,
    ground_truth: GroundTruth,
    images_of: Callable[[np.ndarray], np.ndarray],
    *,
    attributes: Mapping[str, str | float],
    report: Callable[[int, int], None] = lambda done, total: None,
) -> str:
    """Write all images of a grid and their labels in the dataset's official layout.

    Args:
        path: of the finished file.
        ground_truth: grid, labels and layout.
        images_of: image numbers (n,), consecutive → uint8 (n, height, width, channels); called in another thread.
        attributes: of the file, such as ε, source and versions.
        report: called with (images written, total images).

    Returns:
        SHA-256 of the images' bytes in order.

    Raises:
        UserError: the disk has too little space, or fills up.

    """
    layout, total = LAYOUTS[ground_truth.layout], ground_truth.grid.num_images
    shape, digest = image_shape(layout, ground_truth), hashlib.sha256()
    needed = total * (math.prod(shape) + LABEL_BYTES)
    with atomic_write(path) as part, h5py.File(part, "w", rdcc_nbytes=CACHE, locking=False) as file:
        images = file.create_dataset(
            layout.images,
            shape=(total, *shape),
            dtype=np.uint8,
            chunks=(min(CHUNK_IMAGES, total), *shape),
            compression="gzip",
            compression_opts=4,
            fletcher32=True,
        )
        for name, values in labels(layout, ground_truth).items():
            file.create_dataset(name, data=values, compression="gzip", compression_opts=4, fletcher32=True)
        for name, array in layout.links:
            file[name] = file[array]
        for start, batch in _made_ahead(images_of, total):
            require_free_space(path, batch.nbytes + MARGIN, total=needed, folder=part.parent)
            digest.update(np.ascontiguousarray(batch).data)
            images[start : start + len(batch)] = batch.reshape(len(batch), *shape)
            report(start + len(batch), total)
        described = {
            "format_version": FORMAT_VERSION,
            "dataset": ground_truth.name,
            "factor_names": ",".join(ground_truth.grid.names),
            "factor_sizes": ",".join(str(size) for size in ground_truth.grid.sizes),
            "unordered_factors": ",".join(ground_truth.grid.unordered),
            "white": WHITE,
            "images_sha256": digest.hexdigest(),
        }
        for key, value in (described | dict(attributes)).items():
            file.attrs[key] = value
        file.attrs["complete"] = True
    return digest.hexdigest()


def _made_ahead(images_of: Callable[[np.ndarray], np.ndarray], total: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield batches of images, each with the number of its first; a batch is made while the previous one is compressed."""
    batches = [np.arange(start, min(start + BATCH, total)) for start in range(0, total, BATCH)]
    with ThreadPoolExecutor(max_workers=1) as executor:
        pending = executor.submit(images_of, batches[0])
        for numbers, following in zip_longest(batches, batches[1:]):
            images = pending.result()
            if following is not None:
                pending = executor.submit(images_of, following)
            yield int(numbers[0]), images
