import platform
import statistics
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

GROWTH_WHILE_ENCODING = """
import re, sys
from pathlib import Path
import numpy as np, torch
from perturb.config import TrainingConfig
from perturb.config.objectives import BetaVAEConfig
from perturb.datasets.pixels import Pixels
from perturb.objectives import OBJECTIVES
from perturb.objectives.encode import encode
from perturb.progress import Progress
from perturb.training.memory import keep_freed_memory

def own_memory():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024

keep_freed_memory()
torch.set_num_threads(1)
training = TrainingConfig(architecture="conv64")
model = OBJECTIVES["beta_vae"](BetaVAEConfig(beta=1.0), training, channels=3, latents=4, seeds=[0], device="cpu")
images, progress = np.broadcast_to(np.uint8(0), (20_000, 64, 64, 3)), Progress(Path(sys.argv[1]))
encode(model, Pixels(images), np.arange(5_000), progress=progress)
before = own_memory()
encode(model, Pixels(images), np.arange(20_000), progress=progress)
print(own_memory() - before)
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


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_encoding_many_images_takes_no_more_memory_than_few(tmp_path: Path) -> None:
    """The layout of the heap adds up to 60 MiB by chance, so the median of five processes counts.

    Without the single array in `encode`, most processes grow by more than that, some by 300 MiB.
    """
    code = [sys.executable, "-c", GROWTH_WHILE_ENCODING, str(tmp_path)]
    runs = [subprocess.run(code, capture_output=True, text=True, timeout=300, check=True) for _ in range(5)]
    grown = [int(run.stdout) for run in runs]
    assert statistics.median(grown) < 60, f"{grown} MiB; all images together have 234"
