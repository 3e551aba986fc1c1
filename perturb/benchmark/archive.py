"""Write NumPy archives (.npz) that may be larger than memory, in the format that disentanglement_lib reads.

The dSprites archive also has a member `metadata`, a pickled dictionary, because that library reads the factors' sizes from
it; we only ever write it.
"""

import math
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from perturb import __version__
from perturb.datasets.ground_truth import FactorGrid
from perturb.files import atomic_write

LEVEL_OF_FLOATS = 1
"""Compression level of floats: the default of 6 would take fourteen minutes instead of two for 12 GB of noisy dSprites, and
save a quarter of the size."""


def write_archive(
    path: Path,
    images: str,
    shape: tuple[int, ...],
    dtype: np.dtype,
    blocks: Iterable[np.ndarray],
    others: Mapping[str, np.ndarray],
) -> None:
    """Write one large array, block by block, and small arrays after it; the archive appears atomically.

    Args:
        path: path of the finished archive.
        images: name of the large array.
        shape: shape of the large array.
        dtype: dtype of the large array.
        blocks: the large array's values in C order, in arrays of that dtype.
        others: the small arrays by name.

    """
    level = LEVEL_OF_FLOATS if np.issubdtype(dtype, np.floating) else None
    with (
        atomic_write(path, needed=math.prod(shape) * dtype.itemsize) as part,
        zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive,
    ):
        with archive.open(f"{images}.npy", "w", force_zip64=True) as member:
            header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(member, header)
            for block in blocks:
                member.write(np.ascontiguousarray(block, dtype).tobytes())
        for name, values in others.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(values))


def sprites_metadata(dataset: str, grid: FactorGrid, values: tuple[np.ndarray, ...]) -> np.ndarray:
    """Return the member `metadata`: an object array () of the latents' names, sizes and values, with colour first."""
    names = ("color", *grid.names)
    return np.array(
        {
            "title": f"{dataset}, written by perturb {__version__}",
            "latents_names": names,
            "latents_sizes": np.array([1, *grid.sizes]),
            "latents_possible_values": dict(zip(names, (np.ones(1), *values), strict=True)),
        },
        dtype=object,
    )
