"""Time of decoders' Jacobians, and of nearest signed permutations by assignment and by the thesis's programme.

    python benchmarks/orthogonality.py [--quick] [--json OUT]

The decoder has disentanglement_lib's architecture for Shapes3D. `--quick` uses a tenth of the points.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

from perturb.analysis.jacobians import jacobians
from perturb.analysis.orthogonality import (
    BATCH,
    decoder_orthogonality,
    nearest_by_programme,
    nearest_signed_permutation,
)
from perturb.config import TrainingConfig
from perturb.config.objectives import BetaVAEConfig
from perturb.machine import available_cores, software_versions
from perturb.objectives import OBJECTIVES
from perturb.objectives.decode import single_decoder

POINTS, LATENTS = 1_000, 6
console = Console()


def timed(title: str, work: Callable[[], Any]) -> tuple[Any, dict[str, float | str]]:
    """Run a function; return its result, and its wall-clock and CPU seconds."""
    with console.status(title):
        started, used = time.perf_counter(), time.process_time()
        found = work()
        took = {"clock": time.perf_counter() - started, "processors": time.process_time() - used}
    return found, {"work": title, **took}


def measured(points: int) -> list[dict[str, float | str]]:
    """Time every computation on the same random decoder and codes."""
    training = TrainingConfig(architecture="conv64")
    model = OBJECTIVES["beta_vae"](BetaVAEConfig(), training, channels=3, latents=LATENTS, seeds=[0], device="cpu")
    decoder = single_decoder(model, images=True).requires_grad_(False)
    codes = torch.randn(points, LATENTS, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    jacobians(decoder, codes[:BATCH])
    rows = []
    for precision in (torch.float32, torch.float64):
        title = f"Jacobians, {str(precision).removeprefix('torch.')}"
        parts = codes.to(precision).split(BATCH)
        rows.append(timed(title, lambda parts=parts: [jacobians(decoder, part) for part in parts][-1])[1])
    found, row = timed("everything, float64", lambda: decoder_orthogonality(decoder, codes, range(LATENTS)))
    rows.append(row)
    nearest = {}
    for title, function in (("assignment", nearest_signed_permutation), ("programme", nearest_by_programme)):
        nearest[title], row = timed(title, lambda function=function: np.stack([function(v) for v in found.vectors]))
        rows.append(row)
    sums = [np.abs(found.vectors - one).sum(axis=(1, 2)) for one in nearest.values()]
    if not np.allclose(*sums, atol=1e-6):
        raise AssertionError("the assignment and the programme found permutations at different distances")
    return rows


def main(
    quick: Annotated[bool, typer.Option(help="A tenth of the points.")] = False,
    out: Annotated[Path | None, typer.Option("--json", help="Write the numbers here.")] = None,
) -> None:
    """Measure, print the numbers, and write them."""
    points = POINTS // (10 if quick else 1)
    rows = measured(points)
    table = Table(title=f"{points:,} points, {LATENTS} latents, {available_cores()} cores", title_justify="left")
    for header in ("work", "seconds", "processor seconds"):
        table.add_column(header, justify="left" if header == "work" else "right")
    for row in rows:
        table.add_row(str(row["work"]), f"{row['clock']:.2f}", f"{row['processors']:.2f}")
    console.print(table)
    if out is not None:
        found = {"cores": available_cores(), "quick": quick, "points": points, "rows": rows, "versions": software_versions()}
        out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
