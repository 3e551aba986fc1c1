"""Trained models in run directories."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from perturb.config import DatasetConfig, ObjectiveConfig, Section, TrainingConfig
from perturb.manifests import read_config, read_result, run_file
from perturb.objectives import OBJECTIVES, Objective

FILE_NAME = "weights.safetensors"


class TrainingRun(Section):
    """One training of one method."""

    dataset: DatasetConfig
    objective: ObjectiveConfig
    training: TrainingConfig
    latents: int
    seed: int
    """Root of its randomness: initial weights, batches and noise."""


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """The result of one training."""

    steps: int
    """Number of steps taken."""
    failure: str | None
    """Reason why the training was given up, or None."""
    last: dict[str, float]
    """The last point of the curve; empty if there is none."""
    channels: int
    """Number of channels of the images."""


def new_model(config: TrainingRun, *, channels: int, seeds: Sequence[int], device: str) -> Objective:
    """Build models of one method, not yet trained."""
    method = OBJECTIVES[config.objective.kind]
    return method(
        config.objective, config.training, channels=channels, latents=config.latents, seeds=seeds, device=device
    )  # fmt: skip


def load_model(run: Path, device: str) -> Objective:
    """Load the model of a finished restart, in evaluation mode and in float32, whatever its training precision."""
    config, channels = read_config(run, TrainingRun), read_result(run, TrainingResult).channels
    return trained_model(config, load_file(run_file(run, FILE_NAME), device=device), channels=channels, device=device)


def trained_model(config: TrainingRun, weights: Mapping[str, Tensor], *, channels: int, device: str) -> Objective:
    """Build the model of one restart from its weights, in evaluation mode and in float32, whatever its precision was."""
    config = config.model_copy(update={"training": config.training.model_copy(update={"precision": "float32"})})
    model = new_model(config, channels=channels, seeds=[config.seed], device=device)
    model.networks.load_state_dict(weights)
    model.networks.eval().requires_grad_(False)
    return model


def save_weights(networks: nn.Module, path: Path, *, restart: int | None = None) -> None:
    """Save weights as safetensors, on the CPU. If a restart's number is given, save only its weights."""
    weights = networks.state_dict()
    if restart is not None:
        weights = {name: value[restart : restart + 1] for name, value in weights.items()}
    save_file({name: value.detach().cpu().contiguous() for name, value in weights.items()}, path)
