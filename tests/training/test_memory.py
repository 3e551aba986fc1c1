import subprocess
import sys

import pytest

CODE = """
import resource, sys, torch
from perturb.training.memory import keep_freed_memory
if sys.argv[1] == "keep" and not keep_freed_memory():
    sys.exit(3)
def step():
    return [torch.zeros(2_000_000) for _ in range(4)]
for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    step()
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 20)
"""


def _faults(how: str) -> float:
    done = subprocess.run([sys.executable, "-c", CODE, how], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == 3:
        pytest.skip("not glibc")
    return float(done.stdout)


def test_kept_memory_is_not_fetched_again() -> None:
    assert _faults("keep") < 100 < _faults("leave")
