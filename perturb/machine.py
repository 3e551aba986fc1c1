"""The environment of a process: its cores, devices, software versions, and the signals that end it."""

import functools
import os
import platform
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from perturb.errors import UserError
from perturb.supervisor import PR_SET_PDEATHSIG, ask_linux


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def checked_device(name: str | None) -> str:
    """Return the device that the user named, or else the default: `cuda` if available, otherwise `cpu`.

    Raises:
        UserError: torch does not know the device, or this machine does not have it.

    """
    import torch

    if name is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise UserError(f"--device {name} cannot be used here ({reason}); use cpu, or leave it out.") from None
    return name


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Raise KeyboardInterrupt on SIGTERM inside the block.

    Clusters end jobs with SIGTERM; the work is then left as Ctrl-C would leave it. Outside the main thread, where no signals
    arrive, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def die_with_parent() -> None:
    """Ignore Ctrl-C, and ask Linux to kill this worker when its parent dies, so that a kill -9 leaves no orphans."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ask_linux(PR_SET_PDEATHSIG, signal.SIGKILL)


def made_here() -> dict[str, str]:
    """Return the date, the machine, the software versions and, if known, the commit that a run's manifest records."""
    here = {"date": datetime.now(UTC).date().isoformat(), "machine": machine_in_words(), **software_versions()}
    return here | ({"commit": commit} if (commit := commit_of(Path(__file__).parent)) else {})


@functools.cache
def commit_of(package: Path) -> str:
    """Return the commit of a package that runs from a clone, such as `8259243`, or `8259243 with changes`; "" if unknown.

    A package installed elsewhere has none, even if the environment lies in somebody's repository.
    """
    git = ["git", "--no-optional-locks", "-C", str(package)]
    try:
        top, commit, changes = (
            subprocess.run([*git, *asked], capture_output=True, text=True, timeout=10, check=True).stdout.strip()
            for asked in (["rev-parse", "--show-toplevel"], ["rev-parse", "--short", "HEAD"], ["status", "--porcelain", "."])
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    return "" if Path(top) != package.parent.resolve() else f"{commit} with changes" if changes else commit


def machine_in_words() -> str:
    """Describe the kind of machine, without its name: `2 cores, x86_64, Linux`."""
    cores = available_cores()
    return ", ".join(filter(None, [f"{cores} core{'s' * (cores > 1)}", platform.machine(), platform.system()]))


def software_versions() -> dict[str, str]:
    """Return the versions of the software that a result may depend on."""
    versions = {"python": platform.python_version()}
    for package in ("perturb", "torch", "numpy", "scikit-learn", "h5py"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return versions
