"""Fixtures shared by all tests: small experiments, and stores in temporary folders."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

# Each test worker has one core. With one thread per core in every worker, torch would mostly wait.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from filelock import FileLock
from jaxtyping import install_import_hook

# Annotated shapes and types in these modules are checked at every call.
SHAPED = [
    "perturb.analysis.prediction",
    "perturb.metrics.coded",
    "perturb.metrics.information",
    "perturb.objectives.losses",
    "perturb.objectives.posterior",
    "perturb.perturbation.bounds",
    "perturb.perturbation.local_metric",
    "perturb.perturbation.pooling",
]
install_import_hook(SHAPED, "beartype.beartype")

from perturb.config import ExperimentConfig, load_experiment  # noqa: E402
from perturb.experiment.stages import STAGES  # noqa: E402
from perturb.runs import Store  # noqa: E402

ROOT = Path(__file__).parent.parent

TINY = """
name = "tiny"
seed = 1

[dataset]
name = "mini"

[training]
architecture = "conv32"
steps = 12
batch_size = 8
learning_rate = 1e-3
checkpoint_every = 5

[restarts]
num = 2

[selection]
max_unit_variance = 100.0

[perturbation]
form = "residual"
epsilon = 0.175
steps = 6
batch_size = 8
generator = "coarse"
normalise_scalar = true
spread = 1.0

[collapse]
action = "warn"

[evaluation]
seeds = 2
variants = ["original", "modified", "noise", "untrained"]

[[evaluation.methods]]
name = "β-VAE"
objective = { kind = "beta_vae", beta = 4.0 }

[[evaluation.methods]]
name = "AE"
objective = { kind = "autoencoder" }

[metrics.mig]
num_train = 500
"""
"""A complete experiment that takes a few seconds."""


@pytest.fixture(scope="session")
def tiny_text() -> str:
    """The tiny experiment as TOML."""
    return TINY


@pytest.fixture
def tiny_toml(tmp_path: Path) -> Path:
    """The tiny experiment as a file."""
    path = tmp_path / "tiny.toml"
    path.write_text(TINY, encoding="utf-8")
    return path


@pytest.fixture
def tiny(tiny_toml: Path) -> ExperimentConfig:
    """The tiny experiment."""
    return load_experiment(tiny_toml)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "artifacts", STAGES)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny_text: str) -> tuple[Path, Path]:
    """Config file and artifacts folder of the tiny experiment, run once from the command line for all workers."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "finished"
    config, artifacts = folder / "tiny.toml", folder / "artifacts"
    with FileLock(f"{folder}.lock"):
        if not list(artifacts.glob("results/*/results.json")):
            folder.mkdir(exist_ok=True)
            config.write_text(tiny_text, encoding="utf-8")
            command = [sys.executable, "-c", "from perturb.cli import main; main()", "run", str(config), "--workers", "2"]
            subprocess.run([*command, "--artifacts", str(artifacts)], capture_output=True, timeout=300, check=True)
    return config, artifacts


@pytest.fixture
def begun(finished: tuple[Path, Path], tmp_path: Path) -> Path:
    """A separate artifacts folder with the runs of the finished experiment, so that only what differs is built."""
    artifacts = tmp_path / "artifacts"
    shutil.copytree(finished[1] / "runs", artifacts / "runs", copy_function=os.link)
    return artifacts
