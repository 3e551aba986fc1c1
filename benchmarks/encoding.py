"""Time to encode the whole dSprites grid, against the minimum at the CPU's matrix product rate.

    python benchmarks/encoding.py [--quick] [--json OUT]

The encoder has disentanglement_lib's architecture and runs in float32 and bfloat16. `--quick` encodes a tenth of the grid.
"""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from perturb.config import TrainingConfig
from perturb.config.objectives import BetaVAEConfig
from perturb.datasets.pixels import Pixels
from perturb.datasets.renderers.dsprites import DSprites
from perturb.machine import available_cores, software_versions
from perturb.objectives import OBJECTIVES, Objective
from perturb.objectives.encode import encode
from perturb.training.memory import keep_freed_memory

PRECISIONS = "float32", "bfloat16"
SIDE, PRODUCTS = 2_048, 10
console = Console()


def untrained(precision: str) -> Objective:
    """Return an untrained β-VAE for dSprites; encoding takes as long whatever its weights."""
    training = TrainingConfig(architecture="conv64", precision=precision)
    model = OBJECTIVES["beta_vae"](BetaVAEConfig(), training, channels=1, latents=5, seeds=[0], device="cpu")
    model.networks.eval().requires_grad_(False)
    return model


@torch.no_grad()
def flops_of_an_image(model: Objective) -> int:
    """Count the encoder's multiplications and additions for one image."""
    with FlopCounterMode(display=False) as counter:
        model.posterior(torch.zeros(1, 1, 64, 64, 1))
    return counter.get_total_flops()


def matrix_rate(precision: str) -> float:
    """Measure FLOP/s of large square matrix products, the best of `PRODUCTS`."""
    matrix, best = torch.randn(SIDE, SIDE).to(getattr(torch, precision)), float("inf")
    for _ in range(PRODUCTS):
        started = time.perf_counter()
        matrix @ matrix
        best = min(best, time.perf_counter() - started)
    return 2 * SIDE**3 / best


def measured(pixels: Pixels, precision: str) -> dict[str, Any]:
    """Measure encoding in one precision."""
    model, rows = untrained(precision), np.arange(len(pixels))
    encode(model, pixels, rows[:2_048])
    started = time.perf_counter()
    encode(model, pixels, rows)
    seconds, rate = time.perf_counter() - started, matrix_rate(precision)
    return {
        "precision": precision,
        "seconds": seconds,
        "images_a_second": len(rows) / seconds,
        "seconds_at_the_matrix_rate": len(rows) * flops_of_an_image(model) / rate,
        "matrix_gflops": rate / 1e9,
    }


def main(
    quick: Annotated[bool, typer.Option(help="A tenth of the grid.")] = False,
    out: Annotated[Path | None, typer.Option("--json", help="Write the numbers here.")] = None,
) -> None:
    """Measure, print the numbers, and write them."""
    keep_freed_memory()
    count = DSprites.grid.num_images // (10 if quick else 1)
    with console.status("rendering dSprites"):
        images = DSprites().images(np.arange(count))
        pixels = Pixels(np.packbits(images[..., 0] > 0, axis=-1), packed=True)
    table = Table(title=f"Encoding {count:,} images, {available_cores()} cores", title_justify="left")
    for header in ("precision", "seconds", "images a second", "seconds at the matrix rate"):
        table.add_column(header, justify="right")
    rows = []
    for precision in PRECISIONS:
        with console.status(precision):
            rows.append(row := measured(pixels, precision))
        numbers = (row[key] for key in ("seconds", "images_a_second", "seconds_at_the_matrix_rate"))
        table.add_row(precision, *(f"{number:,.0f}" for number in numbers))
    console.print(table)
    if out is not None:
        found = {"cores": available_cores(), "quick": quick, "images": count, "rows": rows, "versions": software_versions()}
        out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
