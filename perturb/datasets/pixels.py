"""All images of a dataset in a layout for random access: memory-mapped from a file, or resident on a device.

Binary images are stored as bits, in an eighth of the memory: the 737,280 images of dSprites take 360 MiB. Torch is imported
lazily, because many commands inspect a dataset without tensors, and importing torch takes longer than they do.
"""

import math
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from perturb.files import require_free_space

if TYPE_CHECKING:
    import torch
    from torch import Tensor

IMAGES, BITS = "images.npy", "bits.npy"
"""File names. Arrays are uint8 (n, height, width, channels), or for binary images (n, height, width / 8)."""
_BITS_OF_A_BYTE = 8


class Pixels:
    """Images that are addressed by number.

    Args:
        array: uint8, in the layout of `images.npy` or `bits.npy`; a memory map, an array or a tensor on a device.
        packed: whether the array holds bits.

    """

    def __init__(self, array: "np.ndarray | Tensor", *, packed: bool = False) -> None:
        self._array, self._packed = array, packed

    @classmethod
    def open(cls, folder: Path) -> "Pixels":
        """Memory-map the file that `PixelsWriter` wrote into a folder, as `map` does."""
        return cls.map(folder / (BITS if (folder / BITS).is_file() else IMAGES))

    @classmethod
    def map(cls, path: Path) -> "Pixels":
        """Memory-map a file that `PixelsWriter` wrote, read-only. Nothing is loaded or checked until it is accessed."""
        return cls(np.load(path, mmap_mode="r", allow_pickle=False), packed=path.name == BITS)

    def __len__(self) -> int:
        return len(self._array)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the stored array: (n, height, width, channels), or (n, height, width / 8) for bits."""
        return tuple(self._array.shape)

    @property
    def channels(self) -> int:
        """Number of channels of an image."""
        return 1 if self._packed else self._array.shape[-1]

    def resident(self, device: "torch.device | str") -> "Pixels":
        """Copy all images to a device, so that no batch has to be transferred."""
        import torch

        return Pixels(torch.from_numpy(np.array(self._array)).to(device), packed=self._packed)

    def images(self, numbers: np.ndarray | slice) -> np.ndarray:
        """Return images of numbers (...) as uint8 (..., height, width, channels). Not available on a device."""
        assert isinstance(self._array, np.ndarray)
        stored = self._array[numbers]
        return np.unpackbits(stored, axis=-1)[..., None] * np.uint8(255) if self._packed else stored

    def batch(self, numbers: "Tensor | np.ndarray", *, device: "torch.device | str" = "cpu") -> "Tensor":
        """Return images of numbers (...) as float32 (..., height, width, channels) in [0, 1]."""
        return self.unpacked(self.stored(numbers, device=device))

    def stored(self, numbers: "Tensor | np.ndarray", *, device: "torch.device | str" = "cpu") -> "Tensor":
        """Return images of numbers (...) as stored: uint8 (..., height, width, channels), or (..., height, width / 8)."""
        import torch

        if isinstance(self._array, torch.Tensor):
            return self._array[torch.as_tensor(numbers, device=self._array.device)]
        wanted = numbers.cpu().numpy() if isinstance(numbers, torch.Tensor) else numbers
        return torch.from_numpy(self._array[wanted]).to(device)

    def unpacked(self, stored: "Tensor") -> "Tensor":
        """Convert stored images to float32 (..., height, width, channels) in [0, 1]."""
        import torch

        if not self._packed:
            return stored.float().div_(255)
        places = torch.arange(_BITS_OF_A_BYTE - 1, -1, -1, dtype=torch.uint8, device=stored.device)
        return ((stored[..., None] >> places) & 1).flatten(-2)[..., None].float()


def batch_of_each(pixels: Sequence[Pixels], numbers: "Tensor", *, device: "torch.device | str" = "cpu") -> "Tensor":
    """Return a batch of each restart's own images, float32 (restarts, n, height, width, channels) in [0, 1].

    Numbers are (restarts, n), and all images must have the same layout. Restarts that share a dataset are read in one
    operation; otherwise their images are unpacked in one, because on a GPU small operations cost as much as large ones.
    """
    import torch

    if all(own is pixels[0] for own in pixels):
        return pixels[0].batch(numbers, device=device)
    stored = [own.stored(wanted, device=device) for own, wanted in zip(pixels, numbers, strict=True)]
    return pixels[0].unpacked(torch.stack(stored))


class PixelsWriter:
    """Writes images in order into a folder.

    Args:
        folder: where to write `images.npy` or `bits.npy`.
        shape: (n, height, width, channels).
        binary: whether all images are black and white, with one channel and a width divisible by eight. They are then
            stored as bits.

    """

    def __init__(self, folder: Path, shape: tuple[int, int, int, int], *, binary: bool) -> None:
        self.path = folder / (BITS if binary else IMAGES)
        self._binary, self._next, self._total = binary, 0, shape[0]
        stored = (*shape[:2], shape[2] // _BITS_OF_A_BYTE) if binary else shape
        # Not a memory map: a full disk would then kill the process instead of raising an error.
        self._file = self.path.open("wb")
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.uint8)), "fortran_order": False, "shape": stored}
        np.lib.format.write_array_header_1_0(self._file, header)

    def __enter__(self) -> "PixelsWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the file. After an exception, close it even if images are missing."""
        if kind is None:
            self.close()
        else:
            self._file.close()

    def append(self, images: np.ndarray) -> int:
        """Append images, uint8 (k, height, width, channels), and return the number of images written so far."""
        stored = np.packbits(images[..., 0] > 0, axis=-1) if self._binary else np.ascontiguousarray(images)
        self._file.write(stored.data)
        self._next += len(images)
        return self._next

    def close(self) -> None:
        """Flush to disk and close. Raise ValueError if fewer or more images were written than announced."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        if self._next != self._total:
            raise ValueError(f"{self.path} must get {self._total} images, got {self._next}.")


def write_pixels(
    folder: Path,
    blocks: Iterable[np.ndarray],
    *,
    shape: tuple[int, int, int, int],
    binary: bool = False,
    destination: Path | None = None,
    report: Callable[[int, int], None] = lambda written, total: None,
) -> Path:
    """Write blocks of images (k, height, width, channels), uint8, one after the other into a folder, and return the file.

    Args:
        folder: where `images.npy` or `bits.npy` goes; it exists.
        blocks: all images, in order.
        shape: (n, height, width, channels) of all blocks together.
        binary: as for `PixelsWriter`.
        destination: where the folder will be moved, for the error message; None: it stays where it is.
        report: called with (images written, total images) after every block.

    Raises:
        UserError: the disk has too little room.

    """
    needed = math.prod(shape) // (_BITS_OF_A_BYTE if binary else 1)
    require_free_space(destination or folder, needed, total=needed)
    with PixelsWriter(folder, shape, binary=binary) as writer:
        for block in blocks:
            report(writer.append(block), shape[0])
    return writer.path
