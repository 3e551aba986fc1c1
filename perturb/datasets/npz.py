"""Safe reading of arrays from untrusted NumPy archives (.npz).

A header can claim any size, so the size is checked against the archive's content and a limit before memory is allocated.
Nothing is ever unpickled.
"""

import io
import math
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from perturb.errors import UserError
from perturb.escapes import in_line
from perturb.reading import LONGEST_MESSAGE, opened, reading

LARGEST_ARRAY = 1 << 30
"""Largest array that is read, in bytes."""
LARGEST_HEADER = 10_000
"""Largest header that is read, in bytes; NumPy has the same limit."""
BLOCK = 1 << 24
"""Bytes unpacked at a time."""
SINGLE = b"\x93NUMPY"
"""First bytes of a file with a single array (.npy)."""


def read_arrays(path: Path, names: Sequence[str], remedy: str) -> list[np.ndarray]:
    """Read arrays from an archive by name.

    Args:
        path: of the archive.
        names: of the arrays.
        remedy: what to do if the archive cannot be read; it ends the error message.

    Raises:
        UserError: the file does not exist, is not an archive, lacks an array, or an array cannot be read.

    """
    with reading(path, remedy, "cannot be read as .npz"), opened(path) as file:
        if file.read(len(SINGLE)) == SINGLE:
            raise UserError(f"{path} holds one array, and must hold {' and '.join(names)}; {remedy}.")
        with zipfile.ZipFile(file) as archive:
            present = [name.removesuffix(".npy") for name in archive.namelist()]
            if missing := [name for name in names if name not in present]:
                raise UserError(
                    f"{path} must hold the arrays {' and '.join(names)}; no {' and '.join(missing)} in it, but "
                    f"{in_line(', '.join(present), LONGEST_MESSAGE) or 'nothing'}."
                )
            return [array_in_archive(archive, name) for name in names]


def array_in_archive(archive: zipfile.ZipFile, name: str, *, largest: int = LARGEST_ARRAY) -> np.ndarray:
    """Read one array from an open archive.

    Args:
        archive: open for reading.
        name: of the array.
        largest: maximum size of the array in bytes.

    Raises:
        Exception: anything that zipfile and NumPy raise on damaged data, and ValueError if the header claims Python objects,
            more than `largest` bytes, or another size than that of the data.

    """
    info = archive.getinfo(f"{name}.npy")
    with archive.open(info) as member:
        shape, dtype, fortran_order = _header(member)
        if dtype.hasobject:
            raise ValueError(f"`{name}` holds Python objects, save it without pickles")
        size, available = math.prod(shape) * dtype.itemsize, info.file_size - member.tell()
        if size != available or (dtype.itemsize == 0 and math.prod(shape)):
            raise ValueError(f"the header of `{name}` promises {size:,} bytes, and {available:,} are there")
        if size > largest:
            raise ValueError(f"`{name}` takes {size:,} bytes, and may take {largest:,}")
        content = np.empty(size, np.uint8)
        for start in range(0, size, BLOCK):
            block = member.read(min(BLOCK, size - start))
            content[start : start + len(block)] = np.frombuffer(block, np.uint8)
            if len(block) < min(BLOCK, size - start):
                raise ValueError(f"`{name}` ends after {start + len(block):,} of {size:,} bytes")
    return content.view(dtype).reshape(shape, order="F" if fortran_order else "C")


def npy_header(member: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    """Read shape and dtype from a .npy stream, and leave the stream at the first byte of the data.

    Raises:
        ValueError: the stream is not .npy, has an unsupported version, is in Fortran order, or has an invalid header.

    """
    shape, dtype, fortran_order = _header(member)
    if fortran_order:
        raise ValueError("order of the .npy member must be C, got Fortran")
    return shape, dtype


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], np.dtype, bool]:
    """Read shape, dtype, and whether the order is Fortran's."""
    read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    version = np.lib.format.read_magic(member)
    if version not in read_header:
        raise ValueError(f"version of the .npy member must be 1.0 or 2.0, got {version}")
    announced = member.read(2 if version == (1, 0) else 4)
    length = int.from_bytes(announced, "little")
    if length > LARGEST_HEADER:
        raise ValueError(f"a header must have at most {LARGEST_HEADER:,} bytes, got {length:,}")
    with python2_headers_accepted():
        shape, fortran_order, dtype = read_header[version](io.BytesIO(announced + member.read(length)))
    if any(type(size) is not int or size < 0 for size in shape):
        raise ValueError(f"the sizes in a header must be whole numbers from 0, got {in_line(repr(shape), 80)}")
    return shape, dtype, fortran_order


@contextmanager
def python2_headers_accepted() -> Iterator[None]:
    """Suppress NumPy's warning about headers that Python 2 wrote, such as those of the published dSprites archive."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Reading `.npy` or `.npz` file", category=UserWarning)
        yield
