"""Memory of a command and of all processes that it starts."""

import os
import subprocess
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

MARK = "PERTURB_MEASURED"
EXPERIMENT = """
name = "memory"
dataset = {{ name = "dsprites" }}
training = {{ architecture = "conv64", steps = {steps}, precision = "bfloat16" }}
restarts = {{ num = {restarts} }}
perturbation = {{ epsilon = 0.1 }}
evaluation = {{ methods = [{{ name = "AE", objective = {{ kind = "autoencoder" }} }}] }}
"""
"""Restarts on full rendered dSprites."""


def peak_memory(command: Sequence[str], *, every: float = 0.2) -> tuple[float, int]:
    """Return the peak sum of proportional set sizes (shared pages counted once) in GiB, and the exit code. Linux only."""
    mark = uuid.uuid4().hex
    environment = os.environ | {MARK: mark}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, _kilobytes(f"{MARK}={mark}".encode()))
        time.sleep(every)
    return peak / 2**20, process.returncode


def _kilobytes(mark: bytes) -> int:
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes():
                lines = (folder / "smaps_rollup").read_text().splitlines()
                total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except OSError:
            continue
    return total
