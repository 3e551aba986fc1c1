"""Training speed of restarts on CPU and GPU against a plain loop and disent, memory, and scaling of cost.

    python benchmarks/training.py [--quick] [--card] [--json OUT]

`pip install disent==0.8.0` adds that peer; without it, its column says that it was not measured. Every ratio compares
numbers of the same round of the same run, in which the contestants take turns. Close all other programs first.
"""

import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from memory import EXPERIMENT, peak_memory
from rich.console import Console
from rich.table import Table
from training_peers import BETA, LATENTS, LEARNING_RATE, disent_loop, plain_loop

from perturb.config import TrainingConfig
from perturb.config.objectives import BetaVAEConfig
from perturb.datasets.ground_truth import FactorGrid
from perturb.datasets.pixels import Pixels
from perturb.datasets.renderers.dsprites import DSprites
from perturb.machine import available_cores, software_versions
from perturb.objectives import OBJECTIVES
from perturb.random.philox import CounterRNG
from perturb.training.memory import keep_freed_memory
from perturb.training.replay import Updates

RESTARTS, BATCH = 8, 64
IMAGES = 8_192
"""Number of dSprites images, drawn at random; too many for batches to come from a CPU cache."""
WARM_UP = 5
GROUPS = 1, 8, 32, 64
MATRIX = 8_192
console = Console()


def images() -> np.ndarray:
    """Return a sample of dSprites, the same for all contestants."""
    numbers = np.random.default_rng(0).choice(DSprites.grid.num_images, IMAGES, replace=False)
    return DSprites().images(numbers)


def engine_step(
    restarts: int,
    pixels: Pixels,
    *,
    precision: str = "bfloat16",
    device: str = "cpu",
    latents: int = LATENTS,
    compiled: bool = False,
) -> Callable[[int], None]:
    """Return a step of our engine for several restarts at once, including batches and noise."""
    size = pixels.batch(np.zeros(1, int)).shape[1]
    training = TrainingConfig(architecture=f"conv{size}", learning_rate=LEARNING_RATE, precision=precision)
    seeds, config = range(restarts), BetaVAEConfig(beta=BETA)
    objective = OBJECTIVES["beta_vae"](
        config, training, channels=pixels.channels, latents=latents, seeds=seeds, device=device
    )  # fmt: skip
    if compiled:
        objective.compile()
    draws, grid = CounterRNG(seeds, device), FactorGrid(("image",), (len(pixels),))
    updates = Updates(objective, draws)

    def step(number: int) -> None:
        draws.set_step(number)
        updates.make(pixels.batch(objective.batch(draws, grid, BATCH), device=objective.device))

    return step


def seconds_a_step(step: Callable[[int], None], steps: int, device: str = "cpu") -> float:
    """Measure the mean seconds per step over `steps`, after a warm-up."""
    for number in range(WARM_UP):
        step(number)
    _wait(device)
    started = time.perf_counter()
    for number in range(WARM_UP, WARM_UP + steps):
        step(number)
    _wait(device)
    return (time.perf_counter() - started) / steps


def _wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


def _worker(restarts: int, steps: int, precision: str, compiled: bool, barrier: Any, answers: Any) -> None:
    """Train one process's share of the restarts one after the other, on one core."""
    torch.set_num_threads(1)
    keep_freed_memory()
    pixels = Pixels(np.packbits(images()[..., 0] > 0, axis=-1), packed=True)
    each = [engine_step(1, pixels, precision=precision, compiled=compiled) for _ in range(restarts)]
    for step in each:
        seconds_a_step(step, 1)
    barrier.wait()
    started = time.perf_counter()
    for step in each:
        for number in range(steps):
            step(number)
    answers.put(time.perf_counter() - started)


def engine_rate(steps: int, precision: str, *, restarts: int = RESTARTS, compiled: bool = False) -> float:
    """Measure images per second over some restarts, spread over one process per core."""
    context, cores = multiprocessing.get_context("spawn"), available_cores()
    barrier, answers = context.Barrier(cores), context.Queue()
    share = restarts // cores
    arguments = share, steps, precision, compiled, barrier, answers
    workers = [context.Process(target=_worker, args=arguments) for _ in range(cores)]
    for worker in workers:
        worker.start()
    slowest = max(answers.get() for _ in workers)
    for worker in workers:
        worker.join()
    return cores * share * steps * BATCH / slowest


def peer_rate(make: Callable[[np.ndarray, int], Callable[[], None] | None], steps: int) -> float | None:
    """Measure images per second of a peer with all cores to itself; 8 restarts of it would take turns at this rate.

    The peer runs in a process of its own, so that our settings neither help nor hinder it.
    """
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=_peer, args=(make, steps, answers))
    process.start()
    rate = answers.get()
    process.join()
    return rate


def _peer(make: Callable[[np.ndarray, int], Callable[[], None] | None], steps: int, answers: Any) -> None:
    torch.set_num_threads(available_cores())
    step = make(images(), BATCH)
    answers.put(step and BATCH / seconds_a_step(lambda _: step(), steps))


def measure_cpu(steps: int, rounds: int) -> list[dict[str, Any]]:
    """Measure all contestants in turn for some rounds; return medians, and ratios to the plain loop and to disent."""
    contestants: dict[str, Callable[[], float | None]] = {
        "plain eager loop, float32": lambda: peer_rate(plain_loop, steps),
        "disent 0.8, BetaVae": lambda: peer_rate(disent_loop, steps),
        "perturb, float32": lambda: engine_rate(steps, "float32"),
        "perturb, bfloat16": lambda: engine_rate(steps, "bfloat16"),
        # Only one restart per core, because each takes half a minute to compile.
        "perturb, bfloat16, --compile": lambda: engine_rate(steps, "bfloat16", restarts=available_cores(), compiled=True),
    }
    rates: dict[str, list[float | None]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, rate in contestants.items():
            rates[name].append(rate())
    plain, disent = (rates[name] for name in list(contestants)[:2])
    return [
        {
            "name": name,
            "images_a_second": _median(values),
            "times_plain": _ratio(values, plain),
            "times_disent": _ratio(values, disent),
        }
        for name, values in rates.items()
    ]


def _median(values: list[float | None]) -> float | None:
    return None if None in values else statistics.median(values)


def _ratio(values: list[float | None], others: list[float | None]) -> float | None:
    """Return the median of the ratios within rounds."""
    if None in values or None in others:
        return None
    return statistics.median(a / b for a, b in zip(values, others, strict=True))


def matrix_share(rates: list[dict[str, Any]], side: int = 4_096) -> dict[str, float]:
    """Return the shares of the bfloat16 matrix rate that the engine reaches and that 4 × the plain loop would need."""
    torch.set_num_threads(available_cores())
    matrix = torch.randn(side, side).bfloat16()
    flops = 2 * side**3 / seconds_a_step(lambda _: matrix @ matrix, 20)
    by_name = {row["name"]: row["images_a_second"] * flops_of_a_step() / BATCH for row in rates if row["images_a_second"]}
    return {
        "bf16_gflops": flops / 1e9,
        "share_reached": by_name["perturb, bfloat16"] / flops,
        "share_for_4_times_plain": 4 * by_name["plain eager loop, float32"] / flops,
    }


def measure_memory(steps: int) -> dict[str, Any]:
    """Measure peak memory of 8 restarts on full rendered dSprites, as `perturb run` trains them."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "memory.toml"
        config.write_text(EXPERIMENT.format(steps=steps, restarts=RESTARTS), encoding="utf-8")
        command = [sys.executable, "-c", "from perturb.cli import main; main()", "run", str(config), "--no-prefect"]
        gib, code = peak_memory([*command, "--until", "restarts", "--artifacts", folder])
    return {"restarts": RESTARTS, "images": DSprites.grid.num_images, "peak_gib": gib, "exit_code": code}


def measure_card(steps: int) -> dict[str, Any] | None:
    """Measure restarts × steps per second, stacked, against one eager restart at a time; None without a GPU."""
    if not torch.cuda.is_available():
        return None
    eager = plain_loop(images(), BATCH, "cuda")
    eager_seconds = seconds_a_step(lambda _: eager(), steps, "cuda")
    matrix = torch.randn(MATRIX, MATRIX, device="cuda", dtype=torch.bfloat16)
    flops = 2 * MATRIX**3 / seconds_a_step(lambda _: matrix @ matrix, 50, "cuda")
    pixels = Pixels(np.packbits(images()[..., 0] > 0, axis=-1), packed=True).resident("cuda")
    rows = []
    for precision, restarts in product(("bfloat16", "float32"), GROUPS):
        seconds = seconds_a_step(engine_step(restarts, pixels, precision=precision, device="cuda"), steps, "cuda")
        rate = restarts / seconds
        rows.append({
            "precision": precision,
            "restarts": restarts,
            "restart_steps_a_second": rate,
            "times_eager": rate * eager_seconds,
            "share_of_matrix_rate": rate * flops_of_a_step() / flops,
            "seconds_for_300000_steps": 300_000 / rate,
        })  # fmt: skip
    return {
        "card": torch.cuda.get_device_name(),
        "eager_steps_a_second": 1 / eager_seconds,
        "bf16_flops": flops,
        "rows": rows,
    }


def flops_of_a_step() -> float:
    """Return the FLOPs of a restart's step on 64 × 64 images with one channel.

    The backward pass costs twice the forward pass, except that the images need no gradient.
    """
    layers = [1024 * 16 * 32, 256 * 512 * 32, 64 * 128 * 64, 16 * 256 * 64, 1024 * 256, 256 * 2 * LATENTS, LATENTS * 256]
    layers += [256 * 1024, 16 * 64 * 1024, 64 * 64 * 512, 256 * 32 * 512, 1024 * 32 * 16]
    return 2.0 * BATCH * (3 * sum(layers) - layers[0])


def measure_growth(steps: int, device: str) -> dict[str, list[dict[str, float]]]:
    """Measure milliseconds per restart and step, against restarts at once, image size and latents."""
    sprites = images()
    sizes = {
        size: Pixels(np.packbits(sprites[:, :: 64 // size, :: 64 // size, 0] > 0, axis=-1), packed=True) for size in (32, 64)
    }
    if device != "cpu":
        sizes = {size: pixels.resident(device) for size, pixels in sizes.items()}

    def milliseconds(restarts: int, size: int, latents: int) -> float:
        step = engine_step(restarts, sizes[size], device=device, latents=latents)
        return 1e3 * seconds_a_step(step, steps, device) / restarts

    groups = GROUPS if device != "cpu" else (1, 2, 4, 8)
    return {
        "restarts": [{"restarts": n, "milliseconds": milliseconds(n, 64, LATENTS)} for n in groups],
        "size": [{"size": size, "milliseconds": milliseconds(1, size, LATENTS)} for size in sizes],
        "latents": [{"latents": n, "milliseconds": milliseconds(1, 64, n)} for n in (5, 10, 20, 50)],
    }


def draw_growth(growth: dict[str, list[dict[str, float]]], device: str, path: Path) -> None:
    """Plot the cost against the number of restarts, image size and latents, in three small panels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 2.6), dpi=140, layout="constrained")
    for axes, (name, points) in zip(figure.subplots(1, len(growth), sharey=True), growth.items(), strict=True):
        axes.plot([point[name] for point in points], [point["milliseconds"] for point in points], "o-", color="#4477aa")
        axes.set_xlabel({"restarts": "restarts at once", "size": "image side", "latents": "latents"}[name])
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel(f"ms per restart and step\n({device})")
    figure.savefig(path, metadata={"Software": None})


def show(title: str, rows: list[dict[str, Any]]) -> None:
    """Print a table with the keys as header."""
    table = Table(title=title, title_justify="left")
    for key in rows[0]:
        table.add_column(key.replace("_", " "), justify="left" if key == "name" else "right")
    for row in rows:
        table.add_row(
            *("not measured" if v is None else f"{v:,.4g}" if isinstance(v, float) else str(v) for v in row.values())
        )
    console.print(table)


def measure_processor(steps: int, rounds: int) -> dict[str, Any]:
    """Measure the CPU, printing each table when it is ready."""
    results: dict[str, Any] = {"cpu": measure_cpu(steps, rounds)}
    show(f"CPU, {available_cores()} cores, 64 × 64, batch {BATCH}, {RESTARTS} restarts", results["cpu"])
    results["matrix"] = matrix_share(results["cpu"])
    show("Compared with matrix products alone", [results["matrix"]])
    results["memory"] = measure_memory(10 * steps)
    show("Memory", [results["memory"]])
    return results


def main(
    quick: Annotated[bool, typer.Option(help="Fewer steps and rounds.")] = False,
    card: Annotated[bool, typer.Option("--card", help="Only the GPU measurements.")] = False,
    out: Annotated[Path | None, typer.Option("--json", help="Write the numbers here, and the figure next to them.")] = None,
) -> None:
    """Measure, print the numbers, and write them."""
    keep_freed_memory()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if card and device == "cpu":
        raise typer.BadParameter("torch finds no CUDA device here; leave --card out to measure the CPU.")
    results: dict[str, Any] = {"cores": available_cores(), "versions": software_versions()}
    if not card:
        results |= measure_processor(*((10, 1) if quick else (40, 3)))
    results["card"] = measure_card(20 if quick else 100)
    if results["card"]:
        show(results["card"]["card"], results["card"]["rows"])
    else:
        console.print("GPU: not measured, because there is none here.")
    torch.set_num_threads(1)
    results["growth"] = measure_growth(3 if quick else 20, device)
    for name, points in results["growth"].items():
        show(f"Growth with {name}, {device}", points)
    if out is not None:
        out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
        draw_growth(results["growth"], device, out.with_suffix(".png"))


if __name__ == "__main__":
    typer.run(main)
