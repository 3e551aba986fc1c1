"""Benchmark files, written whole or not at all.

The file is a temporary sibling until its last image is in and its attribute `complete` is set; then it is flushed and
renamed. HDF5 alone would not do: a file torn by a kill can open without an error, full shape, zeros at the end.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest
from pathlib import Path

import h5py
import numpy as np

from perturb.benchmark.schema import BATCH, CHUNK_IMAGES, FORMAT_VERSION
from perturb.datasets.ground_truth import GroundTruth
from perturb.datasets.layouts import LAYOUTS, WHITE, image_shape, labels
from perturb.files import written_whole


def write_benchmark_file(
    path: Path,
    ground_truth: GroundTruth,
    images_of: Callable[[np.ndarray], np.ndarray],
    *,
    attributes: Mapping[str, str | float],
    report: Callable[[int, int], None],
) -> None:
    """Write all images of a grid and their labels in the dataset's official layout.

    Args:
        path: of the finished file.
        ground_truth: grid, labels and layout.
        images_of: image numbers (n,), consecutive → uint8 (n, height, width, channels); called in another thread.
        attributes: of the file: ε, source, versions and the like.
        report: told (images written, images in all).

    """
    layout, total = LAYOUTS[ground_truth.layout], ground_truth.grid.num_images
    shape = image_shape(layout, ground_truth)
    with written_whole(path) as part, h5py.File(part, "w") as file:
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
        for start, batch in _made_ahead(images_of, total):
            images[start : start + len(batch)] = batch.reshape(len(batch), *shape)
            report(start + len(batch), total)
        described = {
            "format_version": FORMAT_VERSION,
            "dataset": ground_truth.name,
            "factor_names": ",".join(ground_truth.grid.names),
            "factor_sizes": ",".join(str(size) for size in ground_truth.grid.sizes),
            "white": WHITE,
        }
        for key, value in (described | dict(attributes)).items():
            file.attrs[key] = value
        file.attrs["complete"] = True


def _made_ahead(images_of: Callable[[np.ndarray], np.ndarray], total: int) -> Iterator[tuple[int, np.ndarray]]:
    """Batches of images with the number of their first; one is made while the one before it is compressed."""
    batches = [np.arange(start, min(start + BATCH, total)) for start in range(0, total, BATCH)]
    with ThreadPoolExecutor(max_workers=1) as maker:
        coming = maker.submit(images_of, batches[0])
        for numbers, following in zip_longest(batches, batches[1:]):
            made = coming.result()
            if following is not None:
                coming = maker.submit(images_of, following)
            yield int(numbers[0]), made
