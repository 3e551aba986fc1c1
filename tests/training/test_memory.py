import platform
import subprocess
import sys
from pathlib import Path

import pytest

HELD_BY_FREE_BLOCKS = """
import ctypes, sys, torch
from perturb.training.memory import keep_freed_memory

class Mallinfo2(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")]

libc = ctypes.CDLL(None)
if not hasattr(libc, "mallinfo2") or (sys.argv[1] == "keep" and not keep_freed_memory()):
    sys.exit(3)
libc.mallinfo2.restype = Mallinfo2
block = torch.zeros(6_000_000)
del block
print(libc.mallinfo2().fordblks)
"""

FLAGS_OF_THE_HEAP = """
from perturb.training.memory import keep_freed_memory
print(keep_freed_memory(), keep_freed_memory())
heap = False
for line in open("/proc/self/smaps"):
    heap = "[heap]" in line or (heap and ":" in line.split()[0])
    if heap and line.startswith("VmFlags"):
        print(line)
"""


def _bytes_held(how: str) -> int:
    code = [sys.executable, "-c", HELD_BY_FREE_BLOCKS, how]
    done = subprocess.run(code, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == 3:
        pytest.skip("needs a glibc with mallinfo2")
    return int(done.stdout)


def test_freed_memory_stays_with_the_process() -> None:
    freed = 24_000_000
    assert _bytes_held("leave") < freed / 2 < freed <= _bytes_held("keep")


def test_the_heap_uses_huge_pages() -> None:
    if not Path("/sys/kernel/mm/transparent_hugepage").is_dir() or platform.libc_ver()[0] != "glibc":
        pytest.skip("no huge pages here")
    code = [sys.executable, "-c", FLAGS_OF_THE_HEAP]
    agreed, *flags = subprocess.run(code, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()
    assert agreed == "True True"
    assert sum(" hg" in line for line in flags) == 1
