"""Number of pixels that change when a modified file is rebuilt from its recipe on different hardware.

    python benchmarks/rebuilding.py [--quick] [--json OUT]

Different hardware is simulated by other CPU instruction sets and thread counts: torch, oneDNN and MKL then take other code
paths, as they do on other machines. All images of dSprites are rebuilt or, with --quick, those of the mini scene. The
network m_ψ is untrained, with kinks spread over its whole range.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table
from safetensors.torch import save_file

from perturb.benchmark.compare import compare
from perturb.benchmark.recipe import Network, Published, Recipe, weights_of, write_from
from perturb.config import PerturbationConfig
from perturb.datasets import renderer_of
from perturb.datasets.hdf5.schema import source
from perturb.files import sha256_of, write_json
from perturb.machine import software_versions
from perturb.perturbation.network import network_for
from perturb.perturbation.pattern import calibrate

ELSEWHERE = {
    "here, again": {},
    "one thread": {"OMP_NUM_THREADS": "1"},
    "AVX2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    "SSE4": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
}
BUILD = """
import sys
from pathlib import Path
from perturb.benchmark.recipe import build
build(Path(sys.argv[1]), Path(sys.argv[2]))
"""
console = Console()


def published(folder: Path, name: str, architecture: str) -> Path:
    """Write a modified file with its recipe and weights; return the recipe's path."""
    truth, recipe_path = renderer_of(name), folder / "modified.recipe.json"
    config = PerturbationConfig(
        form="literal", epsilon=0.175, generator="deconv", normalise_scalar=True, normalise_pattern=True, spread=1.0
    )
    network = network_for(truth, config, architecture=architecture, generator=torch.Generator().manual_seed(0))
    calibrate(network, truth.grid)
    save_file(network.state_dict(), weights_of(recipe_path))
    recipe = Recipe(
        dataset=name, source=source(truth), variant="modified", epsilon=config.epsilon, bound="reflect",
        network=Network(architecture=architecture, perturbation=config, sha256=sha256_of(weights_of(recipe_path))),
        config_hash="none", run="benchmark",
    )  # fmt: skip
    path = folder / "modified.h5"
    images_sha256 = write_from(recipe, path, truth, network, report=lambda done, total: None)
    made = Published(recipe=recipe, images_sha256=images_sha256, sha256=sha256_of(path), versions=software_versions())
    write_json(recipe_path, made.model_dump(mode="json"))
    return recipe_path


def main(
    quick: Annotated[bool, typer.Option(help="The mini scene.")] = False,
    out: Annotated[Path | None, typer.Option("--json", help="Write the numbers here.")] = None,
) -> None:
    """Rebuild under every setting, compare, print, and write."""
    name, architecture = ("mini", "conv32") if quick else ("dsprites", "conv64")
    table, rows = Table(title=f"{name}, modified, rebuilt", title_justify="left"), []
    for header in ("where", "pixels that differ", "of", "grey levels at most", "minutes"):
        table.add_column(header, justify="right")
    with tempfile.TemporaryDirectory() as folder:
        recipe, again = published(Path(folder), name, architecture), Path(folder) / "again.h5"
        for where, environment in ELSEWHERE.items():
            with console.status(where):
                started = time.perf_counter()
                subprocess.run([sys.executable, "-c", BUILD, recipe, again], env=os.environ | environment, check=True)
                minutes = (time.perf_counter() - started) / 60
                found = compare(Path(folder) / "modified.h5", again)
            rows.append({"where": where, "differing": found.differing, "pixels": found.pixels, "largest": found.largest})
            table.add_row(where, f"{found.differing:,}", f"{found.pixels:,}", str(found.largest), f"{minutes:.1f}")
    console.print(table)
    if out is not None:
        text = json.dumps({"dataset": name, "rows": rows, "versions": software_versions()}, indent=2)
        out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
