"""Settings that keep freed memory in the process, in huge pages.

A training step allocates and frees the same few megabytes again and again. By default, glibc returns large blocks to the
system each time, and a step spends a quarter of its time on getting fresh pages. With small pages, there are more of them
than the processor can keep addresses of (in its TLB).
"""

import ctypes
import mmap
import platform

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_LARGEST_HEAP_BLOCK = 32 * 2**20
"""The largest block that glibc can be told to serve from its heap."""
_GROWTH = 2**29
"""Bytes by which the heap grows. These are addresses only: memory is assigned when it is written to."""


def keep_freed_memory() -> bool:
    """Ask the C library to serve blocks up to 32 MiB from its heap and to keep the heap. Return whether it agreed."""
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    settings = {_MMAP_THRESHOLD: _LARGEST_HEAP_BLOCK, _TRIM_THRESHOLD: 2**31 - 1, _TOP_PAD: _GROWTH}
    agreed = all([libc.mallopt(name, value) == 1 for name, value in settings.items()])
    if agreed:
        _grow_in_huge_pages(libc)
    return agreed


def _grow_in_huge_pages(libc: ctypes.CDLL) -> None:
    """Grow the heap once, unless it has room, and ask Linux for huge pages there. Linux may decline."""
    libc.sbrk.restype = libc.malloc.restype = ctypes.c_void_p
    libc.sbrk.argtypes, libc.malloc.argtypes = [ctypes.c_ssize_t], [ctypes.c_size_t]
    libc.free.argtypes, libc.madvise.argtypes = [ctypes.c_void_p], [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    start = -(-libc.sbrk(0) // mmap.PAGESIZE) * mmap.PAGESIZE
    libc.free(libc.malloc(_LARGEST_HEAP_BLOCK // 2))
    if (length := libc.sbrk(0) - start) > 0:
        libc.madvise(start, length, mmap.MADV_HUGEPAGE)
