"""Start-up time of a run of `perturb evaluate`: forked from one server, against a fresh server with its own imports.

    python benchmarks/starting.py [--quick] [--json OUT]

The model fits nothing, so a run consists almost entirely of its start and its MIG on the mini scene. The two ways alternate.
"""

import statistics
import time
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from torch import nn

from perturb.external import benchmark
from perturb.external.fork_server import ForkServer
from perturb.external.worker import Job
from perturb.files import write_json
from perturb.machine import available_cores, software_versions

SEEDS, ROUNDS = 8, 3


class MeanColours:
    """A model with nothing to learn."""

    def fit(self, dataset: object, seed: int) -> None:
        """Learn nothing."""

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Return codes (n, 12) of images (n, channels, height, width)."""
        return nn.functional.avg_pool2d(images, 16).flatten(1)


class ServerEach(ForkServer):
    """A server that is shut down before each run, so that every run waits for imports."""

    def start(self, job: Job) -> int:
        """Start a job's process from a new server."""
        self._close()
        return super().start(job)


def seconds_a_run(server: type[ForkServer]) -> float:
    """Measure the mean seconds per run, with one run at a time."""
    import perturb.external.evaluate as module

    kept, module.ForkServer = module.ForkServer, server
    try:
        started = time.perf_counter()
        benchmark(MeanColours, variants=["original"], seeds=SEEDS, workers=1, quiet=True)
        return (time.perf_counter() - started) / SEEDS
    finally:
        module.ForkServer = kept


def main(
    quick: Annotated[bool, typer.Option(help="One round.")] = False,
    out: Annotated[Path | None, typer.Option("--json", help="Write the numbers here.")] = None,
) -> None:
    """Measure, print the numbers, and write them."""
    rounds = [(seconds_a_run(ServerEach), seconds_a_run(ForkServer)) for _ in range(1 if quick else ROUNDS)]
    each, shared = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = statistics.median(one / other for one, other in rounds)
    Console().print(f"A run: {each:.2f} s with its own imports, {shared:.2f} s forked; {ratio:.2f} × as fast.")
    if out is not None:
        numbers = {"own_imports": each, "forked": shared, "times": ratio, "rounds": rounds}
        write_json(out, {"cores": available_cores(), "versions": software_versions(), "seconds_a_run": numbers})


if __name__ == "__main__":
    typer.run(main)
