"""Checkpoints: one file with everything that a training needs to resume exactly where it stopped.

Weights, optimiser moments and generators are tensors of a safetensors file; step, loss curve and everything else that a loop
restores are JSON in its header. A single file and an atomic rename keep weights and step consistent. Restarts that train
together write one file each, so that they can resume alone or in another stack.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from perturb.files import atomic_write

Tensors = dict[str, Tensor]
Optimisers = Mapping[str, torch.optim.Optimizer]


def write_checkpoint(path: Path, tensors: Tensors, state: dict[str, Any]) -> None:
    """Write tensors and JSON atomically."""
    contiguous = {name: value.detach().contiguous().cpu() for name, value in tensors.items()}
    with atomic_write(path) as part:
        save_file(contiguous, part, metadata={"state": json.dumps(state)})


def read_checkpoint(path: Path) -> tuple[Tensors, dict[str, Any]] | None:
    """Read tensors and JSON. Return None if the file does not exist or cannot be read."""
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, json.loads(file.metadata()["state"])
    except (FileNotFoundError, SafetensorError, KeyError, ValueError):
        return None


def state_tensors(networks: nn.Module, optimisers: Optimisers) -> Tensors:
    """Return the current weights and moments, without copying them."""
    tensors = {f"weights/{name}": value for name, value in networks.state_dict().items()}
    for name, optimiser in optimisers.items():
        for index, moments in optimiser.state_dict()["state"].items():
            tensors |= {f"optimisers/{name}/{index}/{key}": value for key, value in moments.items()}
    return tensors


def load_state_tensors(networks: nn.Module, optimisers: Optimisers, tensors: Tensors) -> None:
    """Restore weights and moments from `tensors`."""
    networks.load_state_dict(strip_prefix("weights/", tensors))
    for name, optimiser in optimisers.items():
        whole = optimiser.state_dict()
        for key, value in strip_prefix(f"optimisers/{name}/", tensors).items():
            index, moment = key.split("/")
            whole["state"].setdefault(int(index), {})[moment] = value
        optimiser.load_state_dict(whole)
        _match_layouts(optimiser)


def unstack(tensors: Tensors, restart: int) -> Tensors:
    """Return one restart's part of tensors that hold several restarts along their first axis."""
    return {name: value if _is_shared(name) else value[restart] for name, value in tensors.items()}


def stack(parts: list[Tensors]) -> Tensors:
    """Stack restarts along a new first axis: the inverse of `unstack`."""
    return {
        name: value if _is_shared(name) else torch.stack([part[name] for part in parts]) for name, value in parts[0].items()
    }


def _is_shared(name: str) -> bool:
    """Return whether restarts share a tensor: Adam counts its steps once for all of them."""
    return name.endswith("/step")


def _match_layouts(optimiser: torch.optim.Optimizer) -> None:
    """Give the moments the memory layout of their weights, because fused Adam iterates over both in memory order."""
    for weight, moments in optimiser.state.items():
        for name, value in moments.items():
            if value.shape == weight.shape:
                moments[name] = torch.empty_like(weight).copy_(value)


def strip_prefix(prefix: str, tensors: Tensors) -> Tensors:
    """Return the tensors with names that begin with a prefix, by the rest of their names."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
