"""Speed of writing benchmark files, against h5py alone writing the same images from memory.

    python benchmarks/files.py [--quick] [--full] [--json OUT]

Both write a part of the full grid with the same chunks, compression and checksums, but only ours also computes the images.
The network m_ψ is untrained, which costs the same. Preparation time is included in proportion to the part's share of a full
file.
"""

import json
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import h5py
import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

from perturb.benchmark.verify import verify_file
from perturb.config import PerturbationConfig
from perturb.datasets import FactorGrid, GroundTruth, renderer_of
from perturb.datasets.hdf5.layouts import LAYOUTS, image_shape
from perturb.datasets.hdf5.reader import BenchmarkFile, write_cache
from perturb.datasets.hdf5.schema import BATCH, CHUNK_IMAGES, source
from perturb.datasets.hdf5.writer import write_benchmark_file
from perturb.machine import available_cores, software_versions
from perturb.perturbation.bounds import apply_pattern
from perturb.perturbation.network import PerturbationNetwork, network_for
from perturb.perturbation.noise import uniform_noise
from perturb.perturbation.pattern import calibrate
from perturb.perturbation.tabulated import Patterns, patterns_of
from perturb.training.memory import keep_freed_memory

READ_BATCH = 64
NAMES = ("dsprites", "shapes3d")
BOUNDS = {"epsilon": 0.175, "bound": "reflect"}
console = Console()
Images = Callable[[np.ndarray], np.ndarray]


class Part(GroundTruth):
    """The first images of a ground truth, as a grid of their own."""

    def __init__(self, whole: GroundTruth, count: int) -> None:
        self.name, self.layout, self.image_shape = whole.name, whole.layout, whole.image_shape
        self.grid, self.factor_values = FactorGrid(("number",), (count,)), (np.arange(float(count)),)
        self._whole = whole

    def images(self, indices: np.ndarray) -> np.ndarray:
        """Return the images with these numbers, which are the same in the whole grid."""
        return self._whole.images(indices)


def kinked_network(truth: GroundTruth) -> PerturbationNetwork:
    """Return m_ψ with kinks spread over its whole range."""
    config = PerturbationConfig(form="literal", epsilon=0.175, generator="deconv", normalise_pattern=True, spread=1.0)
    network = network_for(truth, config, architecture="conv64", generator=torch.Generator().manual_seed(0))
    calibrate(network, truth.grid)
    return network


def variants(truth: GroundTruth) -> dict[str, Callable[[], Images]]:
    """Return a function for each variant that prepares its images as the pipeline does."""
    shape = truth.image_shape

    def moved(patterns: Patterns) -> Images:
        return lambda numbers: apply_pattern(truth.images(numbers), patterns(numbers), **BOUNDS)

    network = kinked_network(truth)
    return {
        "original": lambda: truth.images,
        "noise": lambda: moved(partial(uniform_noise, shape=shape, seed=1)),
        "modified": lambda: moved(patterns_of(network, truth.grid, epsilon=BOUNDS["epsilon"])),
    }


def h5py_alone(path: Path, part: GroundTruth, ready: np.ndarray) -> None:
    """Write the images as a user's own script would."""
    layout = LAYOUTS[part.layout]
    shape = image_shape(layout, part)
    with h5py.File(path, "w") as file:
        stored = file.create_dataset(
            layout.images, shape=(len(ready), *shape), dtype=np.uint8, chunks=(CHUNK_IMAGES, *shape),
            compression="gzip", compression_opts=4, fletcher32=True,
        )  # fmt: skip
        for start in range(0, len(ready), BATCH):
            stored[start : start + BATCH] = ready[start : start + BATCH].reshape(-1, *shape)


def ours_of(path: Path, part: GroundTruth, images_of: Images) -> None:
    """Write the images as the pipeline does."""
    write_benchmark_file(path, part, images_of, attributes={"variant": "measured", "epsilon": BOUNDS["epsilon"]})


def seconds(work: Callable[[], Any]) -> float:
    """Measure the seconds that a function takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def measured(name: str, count: int, folder: Path) -> list[dict[str, Any]]:
    """Measure every variant of a dataset; preparation is spread over all images of a full file."""
    whole = renderer_of(name)
    part, rows = Part(whole, count), []
    for variant, prepare in variants(whole).items():
        with console.status(f"{name}, {variant}"):
            started = time.perf_counter()
            images_of = prepare()
            prepared = (time.perf_counter() - started) / whole.grid.num_images
            ready = np.concatenate([images_of(np.arange(i, min(i + BATCH, count))) for i in range(0, count, BATCH)])
            alone = seconds(lambda ready=ready: h5py_alone(folder / "alone.h5", part, ready)) / count
            ours = seconds(lambda images_of=images_of: ours_of(folder / "ours.h5", part, images_of)) / count + prepared
        rows.append(
            {
                "dataset": name,
                "variant": variant,
                "images": count,
                "ours": 1 / ours,
                "h5py_alone": 1 / alone,
                "share": alone / ours,
                "minutes_in_all": whole.grid.num_images * ours / 60,
            }
        )
    return rows


def read_at_random(name: str, images_of: Images, count: int, folder: Path) -> dict[str, Any]:
    """Measure reading of random batches of 64 from a file and from its cache, in images per second."""
    truth, path = Part(renderer_of(name), count), folder / "read.h5"
    ours_of(path, truth, images_of)
    batches = np.random.default_rng(0).integers(0, count, (64, READ_BATCH))
    rates = {}
    for where, prepare in (("file", lambda: None), ("cache", lambda: write_cache(path))):
        prepare()
        file = BenchmarkFile(path)
        file.images(batches[0])
        rates[where] = batches.size / seconds(lambda file=file: [file.images(batch) for batch in batches])
    return {"dataset": name, **rates}


def read_off(name: str, count: int) -> dict[str, Any]:
    """Count the pixels that change because patterns are interpolated from a table instead of evaluated one by one."""
    truth = renderer_of(name)
    network = kinked_network(truth)
    patterns = patterns_of(network, truth.grid, epsilon=BOUNDS["epsilon"])
    numbers = np.random.default_rng(0).choice(truth.grid.num_images, count, replace=False)
    largest = differing = pixels = 0
    for part in np.split(numbers, range(BATCH, count, BATCH)):
        images = truth.images(part)
        with torch.no_grad():
            drawn = apply_pattern(images, network(torch.from_numpy(truth.grid.scaled(part))).numpy(), **BOUNDS)
        change = np.abs(drawn.astype(np.int16) - apply_pattern(images, patterns(part), **BOUNDS))
        largest, pixels = max(largest, int(change.max())), pixels + change.size
        differing += int((change > 0).sum())
    return {"dataset": name, "images": count, "pixels_differing": differing / pixels, "grey_levels_at_most": largest}


def whole(name: str, variant: str, folder: Path) -> dict[str, Any]:
    """Write a full-size file, then verify it; called in a process of its own."""
    keep_freed_memory()
    truth, path = renderer_of(name), folder / f"{name}.h5"
    attributes = {"epsilon": BOUNDS["epsilon"], "variant": variant, "source": source(truth)}
    started = time.perf_counter()
    write_benchmark_file(path, truth, variants(truth)[variant](), attributes=attributes)
    written = time.perf_counter()
    verify_file(path)
    return {
        "dataset": name,
        "variant": variant,
        "images": truth.grid.num_images,
        "minutes_writing": (written - started) / 60,
        "minutes_verifying": (time.perf_counter() - written) / 60,
        "gigabytes": path.stat().st_size / 1e9,
        "peak_gib": peak_gib(),
    }


def peak_gib() -> float:
    """Return this process's peak memory so far; getrusage would include its parent's memory at the start."""
    (line,) = (x for x in Path("/proc/self/status").read_text(encoding="utf-8").splitlines() if x.startswith("VmHWM"))
    return int(line.split()[1]) / 2**20


def of_full_size() -> list[dict[str, Any]]:
    """Measure full-size files of both perturbed variants of both datasets."""
    rows = []
    for name in NAMES:
        for variant in ("noise", "modified"):
            spawn = get_context("spawn")
            with (
                console.status(f"{name}, {variant}, all images"),
                tempfile.TemporaryDirectory() as folder,
                ProcessPoolExecutor(1, mp_context=spawn) as pool,
            ):
                rows.append(pool.submit(whole, name, variant, Path(folder)).result())
    return rows


def as_table(rows: list[dict[str, Any]]) -> Table:
    """Format the writing speeds as a table."""
    table = Table(title=f"Writing files, {available_cores()} cores; images per second", title_justify="left")
    for header in ("", "", "perturb, computing the images", "h5py alone, images in memory", "share", "full file, minutes"):
        table.add_column(header, justify="right")
    for row in rows:
        numbers = f"{row['ours']:,.0f}", f"{row['h5py_alone']:,.0f}", f"{row['share']:.0%}", f"{row['minutes_in_all']:.1f}"
        table.add_row(row["dataset"], row["variant"], *numbers)
    return table


def main(
    quick: Annotated[bool, typer.Option(help="2,048 images instead of 16,384.")] = False,
    full: Annotated[bool, typer.Option(help="Also write and verify full-size files; takes about half an hour.")] = False,
    out: Annotated[Path | None, typer.Option("--json", help="Write the numbers here.")] = None,
) -> None:
    """Measure, print the numbers, and write them."""
    rows, drawn, read, count = [], [], [], 2_048 if quick else 16_384
    keep_freed_memory()
    for name in NAMES:
        with tempfile.TemporaryDirectory() as folder:
            rows += measured(name, count, Path(folder))
            drawn.append(read_off(name, count // 8))
            read.append(read_at_random(name, variants(renderer_of(name))["noise"](), count, Path(folder)))
    console.print(as_table(rows))
    for row in drawn:
        console.print(
            f"{row['dataset']}: compared with evaluating m_ψ image by image, {row['pixels_differing']:.4%} of the pixels of "
            f"{row['images']:,} modified images differ, by {row['grey_levels_at_most']} grey level at most."
        )
    for row in read:
        console.print(
            f"{row['dataset']}: random batches of {READ_BATCH} are read at {row['file']:,.0f} images per second from "
            f"noise.h5, at {row['cache']:,.0f} from its cache (`perturb dataset cache`)."
        )
    found = {"cores": available_cores(), "quick": quick, "rows": rows, "drawn": drawn, "read": read}
    if full:
        found["full"] = of_full_size()
        for row in found["full"]:
            console.print(
                f"{row['dataset']}, {row['variant']}: {row['images']:,} images, {row['gigabytes']:.2f} GB, written in "
                f"{row['minutes_writing']:.1f} min, verified in {row['minutes_verifying']:.1f} min, at most "
                f"{row['peak_gib']:.2f} GiB of memory."
            )
    if out is not None:
        out.write_text(json.dumps(found | {"versions": software_versions()}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
