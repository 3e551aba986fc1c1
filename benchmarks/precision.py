"""Effect of bfloat16 on scores: MIG and ELBO of the same seeds, trained in float32 and in bfloat16.

    python benchmarks/precision.py [--quick] [--json OUT]

The models are β-VAEs on the mini scene. Seed k starts from the same weights and draws the same batches
and noise in both precisions, so differences are paired.
"""

import json
import multiprocessing
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

from perturb.config import TrainingConfig
from perturb.config.objectives import BetaVAEConfig
from perturb.datasets.pixels import Pixels
from perturb.datasets.renderers.mini import Mini
from perturb.machine import available_cores, software_versions
from perturb.metrics import Coded, score
from perturb.objectives import OBJECTIVES, Objective
from perturb.objectives.encode import encode
from perturb.progress import Progress
from perturb.random.philox import CounterRNG
from perturb.statistics.intervals import over_clusters
from perturb.training import train
from perturb.training.memory import keep_freed_memory

PRECISIONS = "float32", "bfloat16"
BETA, STEPS, LEARNING_RATE = 16.0, 1_000, 1e-3
SEEDS, FIRST_SEED = 24, 9_000
"""Number of seeds, and the first of them, which is far from the seeds of any experiment."""


def fit(seed: int, precision: str, steps: int) -> dict[str, float]:
    """Train a model; return its MIG and its ELBO (β = 1, nats per image, fixed sample), both evaluated in float32."""
    torch.set_num_threads(1)
    keep_freed_memory()
    training = TrainingConfig(architecture="conv32", steps=steps, learning_rate=LEARNING_RATE, precision=precision)
    pixels = Pixels(Mini().images(np.arange(Mini.grid.num_images)))
    config = BetaVAEConfig(beta=BETA)
    model = OBJECTIVES["beta_vae"](config, training, channels=3, latents=4, seeds=[seed], device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        checkpoint, progress = Path(folder) / "checkpoint", Progress(Path(folder))
        (outcome,) = train(
            model, pixels, Mini.grid, training, draws=CounterRNG([seed]), checkpoints=[checkpoint], progress=progress
        )  # fmt: skip
    if outcome.failure:
        raise RuntimeError(f"seed {seed}, {precision}: {outcome.failure}")
    model = _in_float32(model, config, training, seed)
    numbers = np.random.default_rng(0).integers(Mini.grid.num_images, size=10_000)
    means, _ = encode(model, pixels, numbers)
    with torch.no_grad():
        terms = model.losses(pixels.batch(numbers[None, :2_000]), CounterRNG([0]))
    elbo = -(terms["reconstruction"] + terms["kl"]).item()
    return {"mig": score(Coded(means, Mini.grid.factors_of(numbers)), ["mig"])["mig"]["mig"], "elbo": elbo}


def _in_float32(model: Objective, config: BetaVAEConfig, training: TrainingConfig, seed: int) -> Objective:
    plain = training.model_copy(update={"precision": "float32"})
    found = OBJECTIVES["beta_vae"](config, plain, channels=3, latents=4, seeds=[seed], device="cpu")
    found.networks.load_state_dict(model.networks.state_dict())
    return found


def compare(found: dict[str, Sequence[dict[str, float]]], name: str) -> dict[str, float]:
    """Return mean and standard deviation in both precisions, and the paired difference with its 95 % interval."""
    plain, half = (np.array([score[name] for score in found[precision]]) for precision in PRECISIONS)
    low, high = over_clusters((half - plain)[None]).interval
    return {
        "float32": plain.mean(), "float32_std": plain.std(ddof=1), "bfloat16": half.mean(), "bfloat16_std": half.std(ddof=1),
        "difference": (half - plain).mean(), "ci_low": low, "ci_high": high, "seeds": len(plain),
    }  # fmt: skip


def main(
    quick: Annotated[bool, typer.Option(help="Three seeds, 100 steps.")] = False,
    out: Annotated[Path | None, typer.Option("--json", help="Write the numbers here.")] = None,
) -> None:
    """Train, compare, print, and write."""
    count, steps = (3, 100) if quick else (SEEDS, STEPS)
    jobs = [(FIRST_SEED + k, precision, steps) for k in range(count) for precision in PRECISIONS]
    with ProcessPoolExecutor(available_cores(), mp_context=multiprocessing.get_context("spawn")) as pool:
        scores = list(pool.map(fit, *zip(*jobs, strict=True)))
    found = {name: [s for (_, p, _), s in zip(jobs, scores, strict=True) if p == name] for name in PRECISIONS}
    results = {name: compare(found, name) for name in ("mig", "elbo")}
    table = Table(title=f"β-VAE, mini, {steps} steps, {count} seeds", title_justify="left")
    for header in ("", *PRECISIONS, "difference", "95 % interval"):
        table.add_column(header, justify="right")
    for name, row in results.items():
        values = (f"{row[p]:.3f} ± {row[f'{p}_std']:.3f}" for p in PRECISIONS)
        table.add_row(name.upper(), *values, f"{row['difference']:+.3f}", f"[{row['ci_low']:+.3f}, {row['ci_high']:+.3f}]")
    Console().print(table)
    if out is not None:
        results |= {"steps": steps, "scores": found, "versions": software_versions()}
        out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
