"""Freed memory stays with the process.

A training step allocates and frees the same few megabytes again and again. Left alone, glibc gives large blocks back to the
system each time, and a step spends a quarter of its time on getting fresh pages.
"""

import ctypes
import platform

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_LARGEST_HEAP_BLOCK = 32 * 2**20
"""glibc refuses more."""


def keep_freed_memory() -> bool:
    """Ask the C library to serve blocks up to 32 MiB from its heap and to keep the heap; whether it agreed."""
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = {_MMAP_THRESHOLD: _LARGEST_HEAP_BLOCK, _TRIM_THRESHOLD: 2**31 - 1, _TOP_PAD: 2 * _LARGEST_HEAP_BLOCK}
    return all([mallopt(name, value) == 1 for name, value in settings.items()])
