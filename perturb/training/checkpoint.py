"""One file with all that a training needs to go on exactly where it stopped.

Weights, optimiser moments and the generator's state are tensors of a safetensors file; step and loss curve are JSON in its
header. One file, one rename: weights and step never disagree.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from perturb.files import written_whole


def save_checkpoint(
    path: Path,
    *,
    networks: nn.Module,
    optimisers: dict[str, torch.optim.Optimizer],
    generator: torch.Generator,
    state: dict[str, Any],
) -> None:
    """Write a checkpoint whole; `state` is whatever JSON the loop wants back."""
    tensors = {f"weights/{name}": value for name, value in networks.state_dict().items()}
    tensors["generator"] = generator.get_state()
    for name, optimiser in optimisers.items():
        for index, moments in optimiser.state_dict()["state"].items():
            tensors |= {f"optimisers/{name}/{index}/{key}": value for key, value in moments.items()}
    contiguous = {name: value.detach().contiguous().cpu() for name, value in tensors.items()}
    with written_whole(path) as part:
        save_file(contiguous, part, metadata={"state": json.dumps(state)})


def load_checkpoint(
    path: Path,
    *,
    networks: nn.Module,
    optimisers: dict[str, torch.optim.Optimizer],
    generator: torch.Generator,
) -> dict[str, Any] | None:
    """Put a checkpoint back in place and answer its `state`; None when there is none, or none that can be read."""
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            state = json.loads(file.metadata()["state"])
    except (FileNotFoundError, SafetensorError, KeyError, ValueError):
        return None
    networks.load_state_dict(_below("weights/", tensors))
    for name, optimiser in optimisers.items():
        whole = optimiser.state_dict()
        for key, value in _below(f"optimisers/{name}/", tensors).items():
            index, moment = key.split("/")
            whole["state"].setdefault(int(index), {})[moment] = value
        optimiser.load_state_dict(whole)
        _match_layouts(optimiser)
    generator.set_state(tensors["generator"])
    return state


def _match_layouts(optimiser: torch.optim.Optimizer) -> None:
    """Give the moments the memory layout of their weights: the fused Adam walks both in memory order."""
    for weight, moments in optimiser.state.items():
        for name, value in moments.items():
            if value.shape == weight.shape:
                moments[name] = torch.empty_like(weight).copy_(value)


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
