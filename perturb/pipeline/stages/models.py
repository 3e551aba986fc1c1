"""Trained models in run directories."""

from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import nn

from perturb.objectives import OBJECTIVES, Objective
from perturb.pipeline.configs import RestartRun
from perturb.runs import read_config, read_result

FILE_NAME = "weights.safetensors"


def new_model(config: RestartRun, *, channels: int, device: str) -> Objective:
    """A model before its training."""
    method, seeds = OBJECTIVES[config.objective.kind], [config.seed]
    return method(
        config.objective, config.training, channels=channels, latents=config.latents, seeds=seeds, device=device
    )  # fmt: skip


def load_model(run: Path, device: str) -> Objective:
    """The model of a finished restart, in evaluation mode."""
    config, channels = read_config(run, RestartRun), read_result(run)["channels"]
    model = new_model(config, channels=channels, device=device)
    model.networks.load_state_dict(load_file(run / FILE_NAME, device=device))
    model.networks.eval().requires_grad_(False)
    return model


def save_weights(networks: nn.Module, path: Path) -> None:
    """Weights as safetensors, contiguous, on the CPU."""
    save_file({name: value.detach().cpu().contiguous() for name, value in networks.state_dict().items()}, path)
