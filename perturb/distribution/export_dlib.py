"""Export a benchmark file as an archive that disentanglement_lib's own classes load, unmodified.

The library's dSprites class returns the archive's values as float32, and its models expect [0, 1]. The archive of a file
whose white is 255 therefore holds float32 in [0, 1]. The Shapes3D class divides by 255 itself, so its archive holds bytes.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from perturb.benchmark.archive import sprites_metadata, write_archive
from perturb.datasets.hdf5.layouts import WHITE
from perturb.datasets.hdf5.reader import BenchmarkFile
from perturb.datasets.hdf5.schema import BATCH
from perturb.errors import UserError

ARCHIVES = {
    "dsprites": "dsprites/dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz",
    "shapes3d": "3dshapes/look-at-object-room_floor-hueXwall-hueXobj-hueXobj-sizeXobj-shapeXview-azi.npz",
}
"""The paths where the library looks for a dataset's archive, below the folder in DISENTANGLEMENT_LIB_DATA."""
Report = Callable[[int, int], None]


def export(source: Path, out: Path, *, report: Report = lambda done, total: None) -> None:
    """Write all images and labels of a benchmark file of dSprites or Shapes3D into an archive.

    Args:
        source: the benchmark file.
        out: path of the archive, ending in .npz. For dSprites it has `imgs`, float32 (n, 64, 64) in [0, 1],
            `latents_values`, `latents_classes` and `metadata`; for Shapes3D `images`, uint8 (factor sizes …, 64, 64, 3),
            and `labels` (factor sizes …, 6).
        report: called with (images written, total images).

    Raises:
        UserError: the path has another ending, the file is damaged or of another dataset, or the disk is full.

    """
    if out.suffix != ".npz":
        raise UserError(f"--out must end in .npz, got {out.name}.")
    found = BenchmarkFile(source)
    if found.name not in ARCHIVES:
        raise UserError(
            f"{source}: export is for disentanglement_lib, which has classes of {' and '.join(ARCHIVES)} only, and this is "
            f"{found.name}; read the file with h5py instead."
        )
    _export_sprites(found, out, report) if found.keys.has_colour else _export_shapes(found, out, report)


def _pixel_type(found: BenchmarkFile) -> np.dtype:
    return np.dtype(np.float32 if found.keys.has_colour and found.white == WHITE else np.uint8)


def _export_sprites(found: BenchmarkFile, out: Path, report: Report) -> None:
    dtype = _pixel_type(found)
    blocks = (block if dtype == np.uint8 else block.astype(dtype) / WHITE for block in _reported(found, report))
    others = found.read_labels() | {"metadata": sprites_metadata(found.name, found.grid, found.factor_values)}
    write_archive(out, found.keys.images, found.arrays[found.keys.images][1], dtype, blocks, others)


def _export_shapes(found: BenchmarkFile, out: Path, report: Report) -> None:
    sizes, labels = found.grid.sizes, found.read_labels()[found.keys.values]
    others = {found.keys.values: labels.reshape(*sizes, -1)}
    shape = (*sizes, *found.image_shape)
    write_archive(out, found.keys.images, shape, np.dtype(np.uint8), _reported(found, report), others)


def _reported(found: BenchmarkFile, report: Report) -> Iterator[np.ndarray]:
    done, total = 0, found.grid.num_images
    for block in found.blocks(BATCH):
        yield block
        done += len(block)
        report(done, total)
