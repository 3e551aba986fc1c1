"""Training on a GPU: recorded updates, resuming, agreement with the CPU. Skipped where torch finds no GPU."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mini_images import mini_pixels

from perturb.config import ObjectiveConfig, TrainingConfig
from perturb.config.objectives import (
    AnnealedVAEConfig,
    AutoencoderConfig,
    BetaTCVAEConfig,
    BetaVAEConfig,
    FactorVAEConfig,
    PCLConfig,
    SlowVAEConfig,
    WeaklySupervisedGANConfig,
)
from perturb.datasets.renderers.mini import Mini
from perturb.objectives import OBJECTIVES, Objective
from perturb.objectives.encode import encode
from perturb.progress import Progress
from perturb.random.philox import CounterRNG
from perturb.training import train
from perturb.training.replay import PLAIN_UPDATES, Updates

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

CARD = "cuda"
SEEDS = [3, 4, 5]
TRAINING = TrainingConfig(architecture="conv32", steps=20, batch_size=16, learning_rate=1e-3, checkpoint_every=5)
METHODS: list[ObjectiveConfig] = [
    AutoencoderConfig(),
    BetaVAEConfig(beta=2.0),
    AnnealedVAEConfig(annealing_steps=5),
    FactorVAEConfig(),
    BetaTCVAEConfig(beta=2.0),
    SlowVAEConfig(),
    PCLConfig(),
    WeaklySupervisedGANConfig(),
]


def _objective(config: ObjectiveConfig, seeds: list[int], device: str, training: TrainingConfig = TRAINING) -> Objective:
    return OBJECTIVES[config.kind](config, training, channels=3, latents=4, seeds=seeds, device=device)


def _losses(objective: Objective, seeds: list[int], *, recorded: bool, steps: int) -> torch.Tensor:
    """The loss of every update, (steps, restarts), on the CPU."""
    draws, losses = CounterRNG(seeds, objective.device), []
    updates = Updates(objective, draws, recorded=recorded)
    for step in range(1, steps + 1):
        draws.set_step(step)
        images = mini_pixels().batch(objective.batch(draws, Mini.grid, 16), device=objective.device)
        losses.append(updates.make(images)["loss"].cpu())
    return torch.stack(losses)


@pytest.mark.parametrize("config", METHODS, ids=lambda config: config.kind)
def test_recorded_updates_equal_plain_ones(config: ObjectiveConfig) -> None:
    steps = PLAIN_UPDATES + 6
    plain, recorded = (
        _losses(_objective(config, SEEDS, CARD), SEEDS, recorded=recorded, steps=steps) for recorded in (False, True)
    )
    assert torch.allclose(plain, recorded, rtol=1e-3)
    assert len(recorded[PLAIN_UPDATES:].unique(dim=0)) == 6


@pytest.mark.parametrize("config", METHODS, ids=lambda config: config.kind)
def test_training_on_a_gpu_starts_like_training_on_the_cpu(config: ObjectiveConfig) -> None:
    on_card, on_cpu = (
        _losses(_objective(config, SEEDS, device), SEEDS, recorded=False, steps=3) for device in (CARD, "cpu")
    )
    assert torch.allclose(on_card[0], on_cpu[0], rtol=1e-4)
    # Adam turns gradients that are hardly more than rounding errors into full steps.
    assert torch.allclose(on_card, on_cpu, rtol=2e-2)


def test_a_restart_learns_the_same_alone_and_stacked() -> None:
    config = BetaVAEConfig(beta=2.0)
    together = _losses(_objective(config, SEEDS, CARD), SEEDS, recorded=True, steps=10)
    alone = _losses(_objective(config, SEEDS[1:2], CARD), SEEDS[1:2], recorded=True, steps=10)
    assert torch.allclose(together[:, 1], alone[:, 0], rtol=1e-3)


def test_bfloat16_reaches_the_losses_of_float32() -> None:
    losses = []
    for precision in ("float32", "bfloat16"):
        training = TRAINING.model_copy(update={"precision": precision})
        losses.append(_losses(_objective(BetaVAEConfig(beta=2.0), SEEDS, CARD, training), SEEDS, recorded=True, steps=60))
    assert torch.allclose(losses[0][-10:].mean(0), losses[1][-10:].mean(0), rtol=0.02)


class _Stopping(Progress):
    """Interrupts the loop after a step, as a kill would."""

    def report(self, done: int, total: int, note: str = "") -> None:
        if done == 12:
            raise InterruptedError


def _trained(folder: Path, kind: type[Progress]) -> tuple[Objective, list]:
    objective = _objective(BetaVAEConfig(beta=2.0), SEEDS, CARD)
    with kind(folder) as progress:
        outcomes = train(
            objective, [mini_pixels().resident(CARD)] * len(SEEDS), Mini.grid, TRAINING, draws=CounterRNG(SEEDS, CARD),
            checkpoints=[folder / f"{seed}.safetensors" for seed in SEEDS], progress=progress,
        )  # fmt: skip
    return objective, outcomes


def test_a_killed_training_resumes_to_the_same_losses_and_weights(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    whole, expected = _trained(tmp_path / "whole", Progress)
    with pytest.raises(InterruptedError):
        _trained(tmp_path, _Stopping)
    resumed, outcomes = _trained(tmp_path, Progress)
    last = [[outcome.curve[-1]["loss"] for outcome in found] for found in (outcomes, expected)]
    assert np.allclose(*last, rtol=1e-3)
    weights = [torch.cat([p.detach().flatten(1) for p in made.networks.parameters()], dim=1) for made in (resumed, whole)]
    assert ((weights[0] - weights[1]).abs() > 1e-3).float().mean() < 0.01


def test_a_gpu_encodes_like_the_cpu() -> None:
    numbers = np.arange(0, 4096, 41)
    on_card, on_cpu = (_objective(BetaVAEConfig(beta=2.0), SEEDS[:1], device) for device in (CARD, "cpu"))
    on_card.networks.load_state_dict(on_cpu.networks.state_dict())
    found = [encode(objective, mini_pixels(), numbers) for objective in (on_card, on_cpu)]
    for card, cpu in zip(*found, strict=True):
        assert np.allclose(card, cpu, atol=2e-3)
