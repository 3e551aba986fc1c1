"""Cost of metrics: ours against disentanglement_lib's own code, on one model with the same codes and settings.

    python benchmarks/metrics.py [--quick] [--json OUT]

The model is a β-VAE on rendered dSprites, trained for a few hundred steps. disentanglement_lib draws and encodes images for
every metric; we encode the images that the metrics read only once. The time for this encoding and all metrics but DCI is
shown separately, in both precisions. `--quick` uses a tenth of the rows for both.
"""

import json
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.stats import spearmanr

from perturb.config import TrainingConfig
from perturb.config.metrics import BinnedConfig, DCIConfig, FactorVAEScoreConfig, MetricsConfig, SAPConfig
from perturb.config.objectives import BetaVAEConfig
from perturb.datasets.ground_truth import FactorGrid
from perturb.datasets.pixels import Pixels
from perturb.datasets.renderers.dsprites import DSprites
from perturb.machine import available_cores, software_versions
from perturb.metrics import METRICS, TABLE_METRICS, Coded, PartlyCoded, rows_to_encode, score
from perturb.objectives import OBJECTIVES, Objective
from perturb.objectives.encode import encode
from perturb.random.philox import CounterRNG
from perturb.training.memory import keep_freed_memory

STEPS = 300
PRECISIONS = "float32", "bfloat16"
console = Console()


def trained_model(pixels: Pixels, grid: FactorGrid, precision: str) -> Objective:
    """Train a β-VAE for `STEPS` steps."""
    training = TrainingConfig(architecture="conv64", learning_rate=1e-3, precision=precision)
    model = OBJECTIVES["beta_vae"](
        BetaVAEConfig(beta=1.0), training, channels=1, latents=grid.num_factors, seeds=[0], device="cpu"
    )  # fmt: skip
    draws = CounterRNG([0])
    for step in track(range(STEPS), "training", console=console, transient=True):
        draws.set_step(step)
        model.update(pixels.batch(model.batch(draws, grid, 64)), draws)
    model.networks.eval().requires_grad_(False)
    return model


class LibraryGroundTruth:
    """dSprites with disentanglement_lib's interface: factors are drawn and their images looked up."""

    def __init__(self, pixels: Pixels, grid: FactorGrid) -> None:
        self.pixels, self.grid, self.num_factors = pixels, grid, grid.num_factors

    def sample_factors(self, count: int, generator: np.random.RandomState) -> np.ndarray:
        """Draw uniform and independent factors (count, factors)."""
        return np.stack([generator.randint(size, size=count) for size in self.grid.sizes], axis=1)

    def sample_observations_from_factors(self, factors: np.ndarray, generator: np.random.RandomState) -> torch.Tensor:
        """Return images (count, height, width, channels) in [0, 1]."""
        rows = np.ravel_multi_index(tuple(factors.T), self.grid.sizes)
        return self.pixels.batch(rows)

    def sample(self, count: int, generator: np.random.RandomState) -> tuple[np.ndarray, torch.Tensor]:
        """Return drawn factors and their images."""
        factors = self.sample_factors(count, generator)
        return factors, self.sample_observations_from_factors(factors, generator)

    def sample_observations(self, count: int, generator: np.random.RandomState) -> torch.Tensor:
        """Return images of random factors."""
        return self.sample(count, generator)[1]


def library_calls(truth: LibraryGroundTruth, represent: Callable, settings: MetricsConfig) -> dict[str, Callable[[], Any]]:
    """Return disentanglement_lib's own functions under our keys."""
    import gin

    sys.modules["gin.tf"] = gin
    gin.tf = gin
    with warnings.catch_warnings(action="ignore"):
        from disentanglement_lib.evaluation.metrics import dci, factor_vae, mig, sap_score, utils
    with gin.unlock_config():
        gin.bind_parameter("discretizer.discretizer_fn", utils._histogram_discretize)
        gin.bind_parameter("discretizer.num_bins", settings.mig.num_bins)
        gin.bind_parameter("prune_dims.threshold", settings.factor_vae.min_std)
    common = truth, represent
    votes = settings.factor_vae

    def generator() -> np.random.RandomState:
        return np.random.RandomState(0)

    return {
        "mig": lambda: mig.compute_mig(*common, generator(), None, settings.mig.num_train),
        "dci": lambda: dci.compute_dci(*common, generator(), None, settings.dci.num_train, settings.dci.num_test),
        "factor_vae": lambda: factor_vae.compute_factor_vae(
            *common, generator(), None, votes.batch_size, votes.num_train, votes.num_test, votes.num_variance
        ),
        "sap": lambda: sap_score.compute_sap(
            *common, generator(), None, settings.sap.num_train, settings.sap.num_test, continuous_factors=False
        ),
    }  # fmt: skip


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds that a function takes, and its result."""
    started = time.perf_counter()
    found = work()
    return time.perf_counter() - started, found


def settings_for(quick: bool) -> MetricsConfig:
    """Return the default settings or, if `quick`, those with a tenth of the rows and votes."""
    if not quick:
        return MetricsConfig()
    return MetricsConfig(
        mig=BinnedConfig(num_train=1_000),
        dci=DCIConfig(num_train=1_000, num_test=500),
        factor_vae=FactorVAEScoreConfig(num_variance=1_000, num_train=1_000, num_test=500),
        sap=SAPConfig(num_train=1_000, num_test=500),
    )


def rendered() -> Pixels:
    """Render all of dSprites."""
    with console.status("rendering dSprites"):
        images = DSprites().images(np.arange(DSprites.grid.num_images))
        return Pixels(np.packbits(images[..., 0] > 0, axis=-1), packed=True)


def coded_by(model: Objective, pixels: Pixels, metrics: Sequence[str], settings: MetricsConfig) -> PartlyCoded:
    """Encode the images that the given metrics read."""
    read = rows_to_encode(metrics, settings, DSprites.grid, seed=0)
    return PartlyCoded(encode(model, pixels, read)[0], DSprites.grid, read)


def all_but_dci(model: Objective, pixels: Pixels, settings: MetricsConfig) -> dict[str, Any]:
    """Time the tables' metrics except DCI together, from images to scores."""
    metrics = [name for name in TABLE_METRICS if name != "dci"]
    with console.status("all but DCI"):
        encoding, coded = seconds(lambda: coded_by(model, pixels, metrics, settings))
        scoring, _ = seconds(lambda: score(coded, metrics, settings=settings))
    return {"images": len(coded.codes), "encoding_s": encoding, "seconds": encoding + scoring}


def compare(model: Objective, pixels: Pixels, settings: MetricsConfig) -> list[dict[str, Any]]:
    """Time the four metrics of the tables; ours without the time for encoding."""
    coded, grid = coded_by(model, pixels, TABLE_METRICS, settings), DSprites.grid

    @torch.no_grad()
    def represent(batch: torch.Tensor) -> np.ndarray:
        return model.posterior(batch[None]).mean[0].numpy()

    table = []
    for name, library in library_calls(LibraryGroundTruth(pixels, grid), represent, settings).items():
        with console.status(METRICS[name].title):
            theirs, _ = seconds(library)
            ours, found = seconds(lambda name=name: score(coded, [name], settings=settings))
        table.append(
            {"metric": name, "disentanglement_lib_s": theirs, "ours_s": ours, "times": theirs / ours, **found[name]}
        )
        console.print(f"{name}: {theirs:.2f} s, ours {ours:.3f} s")
    return table


def families(count: int) -> list[Coded]:
    """Return different codes of a four-factor grid: rotated a little or a lot, noisy, squashed, with spare latents."""
    sizes = (6, 6, 6, 6)
    factors = np.stack(np.unravel_index(np.arange(np.prod(sizes)), sizes), axis=1)
    plain, found = factors / np.array(sizes) - 0.5, []
    for number in range(count):
        rng = np.random.default_rng(number)
        mixing = np.eye(4) + rng.uniform(0, 1.2) * rng.normal(size=(4, 4))
        codes = np.tanh(2 * plain @ mixing) + rng.uniform(0, 0.3) * rng.normal(size=plain.shape)
        spare = rng.normal(size=(len(codes), number % 3))
        found.append(Coded(np.concatenate([codes, spare], axis=1), factors))
    return found


def compare_fast(count: int) -> dict[str, Any]:
    """Compare DCI with fast settings to exact DCI, over different codes."""
    exact, fast, times = [], [], []
    for coded in track(families(count), "fast DCI against exact DCI", console=console, transient=True):
        slow, found = seconds(lambda coded=coded: score(coded, ["dci"])["dci"]["dci_disentanglement"])
        quick, cheap = seconds(lambda coded=coded: score(coded, ["dci"], fast=True)["dci"]["dci_disentanglement"])
        exact.append(found)
        fast.append(cheap)
        times.append(slow / quick)
    return {
        "codes": count,
        "rank_correlation": float(spearmanr(exact, fast).statistic),
        "times": float(np.median(times)),
        "exact": exact,
        "fast": fast,
    }


def main(
    quick: Annotated[bool, typer.Option(help="A tenth of the rows, and six codes.")] = False,
    out: Annotated[Path | None, typer.Option("--json", help="Write the numbers here.")] = None,
) -> None:
    """Measure, print the numbers, and write them."""
    warnings.simplefilter("ignore")
    keep_freed_memory()
    results = {"cores": available_cores(), "quick": quick, "versions": software_versions()}
    pixels, settings = rendered(), settings_for(quick)
    models = {precision: trained_model(pixels, DSprites.grid, precision) for precision in PRECISIONS}
    results["all_but_dci"] = {name: all_but_dci(model, pixels, settings) for name, model in models.items()}
    for precision, found in results["all_but_dci"].items():
        console.print(
            f"{precision}: all but DCI {found['seconds']:.1f} s, of which encoding {found['images']:,} of "
            f"{len(pixels):,} images {found['encoding_s']:.1f} s."
        )
    results["metrics"] = compare(models["float32"], pixels, settings)
    table = Table(title=f"dSprites, {available_cores()} cores", title_justify="left")
    for header in ("", "disentanglement_lib", "ours", "times faster"):
        table.add_column(header, justify="right")
    for row in results["metrics"]:
        seconds_of = (f"{row[key]:,.2f} s" for key in ("disentanglement_lib_s", "ours_s"))
        table.add_row(METRICS[row["metric"]].title, *seconds_of, f"{row['times']:,.1f}")
    console.print(table)
    results["fast_dci"] = compare_fast(6 if quick else 32)
    found = results["fast_dci"]
    console.print(
        f"Fast DCI: {found['times']:.0f} times faster than exact, rank correlation {found['rank_correlation']:.3f} "
        f"over {found['codes']} codes."
    )
    assert {row["metric"] for row in results["metrics"]} == set(TABLE_METRICS)
    if out is not None:
        out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
