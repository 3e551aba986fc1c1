"""A check of this machine: versions, device, disk, locks, data files."""

import importlib
import importlib.util
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from perturb.errors import UserError
from perturb.supervisor import holds_all

if TYPE_CHECKING:
    import torch

PRODUCT, TRIALS = 768, 5
"""Side of the matrices, and number of times that they are multiplied."""
SHOWN = ("torch", "numpy", "scikit-learn", "h5py", "prefect", "distributed")
LITTLE_ROOM = 5e9
"""Free bytes below which we warn: the files of all variants of dSprites and Shapes3D take several gigabytes."""


@dataclass(frozen=True)
class Check:
    """One line of the result."""

    verdict: Literal["ok", "warning", "wrong"]
    name: str
    note: str


def check_machine(artifacts: Path, device: str | None, config: Path | None) -> Iterator[Check]:
    """Yield all checks that do not need an orchestrator."""
    yield Check("ok", "python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield from check_versions()
    yield from _torchvision()
    checked = _device(device)
    yield checked
    if checked.verdict == "ok":
        yield _bfloat16(device)
    yield from _disk(artifacts)
    yield _limits()
    if config is not None:
        yield _data(config)


def check_versions() -> Iterator[Check]:
    """Compare installed packages with the requirements in pyproject.toml. Packages of extras may be missing."""
    from packaging.requirements import Requirement

    right, missing = [], []
    for requirement in sorted({Requirement(text) for text in requires("perturb") or ()}, key=lambda each: each.name):
        if requirement.name == "perturb":
            continue
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            if requirement.marker is None:
                yield Check("wrong", requirement.name, f"is not installed; needs {requirement.specifier}")
            else:
                missing.append(requirement.name)
            continue
        if requirement.specifier.contains(installed, prereleases=True):
            right.append(f"{requirement.name} {installed}")
        else:
            yield Check("wrong", requirement.name, f"{installed} is installed, and must be {requirement.specifier}")
    shown = [text for text in right if text.split()[0] in SHOWN]
    yield Check("ok", "packages", f"{len(right)} as pyproject.toml asks for, among them {', '.join(shown)}")
    if missing:
        yield Check("ok", "extras", f"not installed: {', '.join(dict.fromkeys(missing))}")


def _torchvision() -> Iterator[Check]:
    """Warn if torchvision was built for another torch: disent and lightning, which need it, cannot be used then."""
    if importlib.util.find_spec("torchvision") is None:
        return
    try:
        importlib.import_module("torchvision")
    except (ImportError, RuntimeError, OSError) as error:
        reason = f"cannot be imported ({error}), as where it was built for another torch"
        yield Check("warning", "torchvision", f"{reason}; install both from the same index, both for the CPU or neither")


def _device(name: str | None) -> Check:
    import torch

    from perturb.execution.settings import available_cores, checked_device

    try:
        device = checked_device(name)
        torch.ones(8, device=device).sum().item()
    except (UserError, RuntimeError) as error:
        return Check("wrong", "device", str(error))
    shown = torch.cuda.get_device_name(device) if device.startswith("cuda") else f"{available_cores()} cores"
    return Check("ok", "device", f"{device}, {shown}")


def _bfloat16(name: str | None) -> Check:
    """Check whether bfloat16 pays off here: processors without support for it are several times slower than in float32."""
    import torch

    from perturb.execution.settings import checked_device

    device = checked_device(name)
    seconds = {kind: _seconds_of_product(device, kind) for kind in (torch.float32, torch.bfloat16)}
    ratio = seconds[torch.float32] / seconds[torch.bfloat16]
    speed = f"matrix products {ratio:.1f} times as fast as in float32" if ratio >= 1 else f"{1 / ratio:.1f} times slower"
    advice = 'training.precision = "bfloat16" pays here' if ratio > 1 else 'leave training.precision at "float32"'
    return Check("ok" if ratio > 1 else "warning", "bfloat16", f"{speed}; {advice}")


def _seconds_of_product(device: str, kind: "torch.dtype") -> float:
    """Return the minimum over several trials, so that other load on the machine matters little."""
    import torch

    square, least = torch.ones(PRODUCT, PRODUCT, device=device, dtype=kind), float("inf")
    for _ in range(TRIALS):
        start = time.perf_counter()
        (square @ square)[0, 0].item()
        least = min(least, time.perf_counter() - start)
    return least


def _disk(artifacts: Path) -> Iterator[Check]:
    from perturb.files import require_writable
    from perturb.locks import can_lock

    try:
        require_writable(artifacts, "--artifacts", folder=True)
    except UserError as error:
        yield Check("wrong", "artifacts", str(error))
        return
    folder = next(p for p in (artifacts, *artifacts.parents) if p.is_dir())
    free = shutil.disk_usage(folder).free
    room = f"{free / 1e9:,.1f} GB free in {folder}"
    yield Check("ok" if free > LITTLE_ROOM else "warning", "disk", room)
    locks = can_lock(folder)
    note = "can be locked" if locks else "cannot be locked: two flows may train the same model, each for itself"
    yield Check("ok" if locks else "warning", "artifacts", f"{folder} {note}")


def _limits() -> Check:
    """Check which limits `perturb evaluate` and --time-limit can enforce."""
    if holds_all():
        note = "time, memory and output are held for all processes of a run, those that leave its group too"
        return Check("ok", "limits", note)
    held = "time and output" if sys.platform != "linux" else "time, memory and output"
    note = f"{held} are held for the processes of a run's group; those that leave it are out of reach on this system"
    return Check("warning", "limits", note)


def _data(config: Path) -> Check:
    from perturb.config import load_experiment
    from perturb.datasets import open_ground_truth

    try:
        truth = open_ground_truth(load_experiment(config).dataset)
    except UserError as error:
        return Check("wrong", "data", str(error))
    source = ", ".join(f"{key} {value}" for key, value in truth.provenance().items())
    return Check("ok", "data", f"{truth.name}: {truth.grid.num_images:,} images, {source}")
