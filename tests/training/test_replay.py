"""The fixed memory of recorded updates, tested without a GPU: it gives the same training as plain updates."""

import pytest
import torch
from mini_images import mini_pixels

from perturb.config import TrainingConfig
from perturb.config.objectives import AnnealedVAEConfig, FactorVAEConfig, ObjectiveConfig, WeaklySupervisedGANConfig
from perturb.datasets.renderers.mini import Mini
from perturb.objectives import OBJECTIVES
from perturb.random.philox import CounterRNG
from perturb.training.replay import PLAIN_UPDATES, FixedRNG, Updates

SEEDS = [3, 4]
TRAINING = TrainingConfig(architecture="conv32", learning_rate=1e-3)
PIXELS = mini_pixels()


def test_fixed_draws_stay_in_place_and_follow_the_step() -> None:
    draws = CounterRNG(SEEDS)
    fixed = FixedRNG(draws)

    def asked() -> list[torch.Tensor]:
        return [
            fixed.step, fixed.uniform("a", 3), fixed.normal("a", 3), fixed.integers("a", 7, 3), fixed.permutations("a", 2, 5)
        ]  # fmt: skip

    draws.set_step(1)
    before = asked()
    kept = [values.clone() for values in before]
    draws.set_step(100)
    fixed.refresh()
    expected = [
        draws.step, draws.uniform("a", 3), draws.normal("a", 3), draws.integers("a", 7, 3), draws.permutations("a", 2, 5)
    ]  # fmt: skip
    for first, old, new, wanted in zip(before, kept, asked(), expected, strict=True):
        assert first.data_ptr() == new.data_ptr()
        assert torch.equal(new, wanted)
        assert not torch.equal(old, new)


@pytest.mark.parametrize(
    "config", [AnnealedVAEConfig(annealing_steps=5), FactorVAEConfig(), WeaklySupervisedGANConfig()], ids=lambda c: c.kind
)
def test_updates_from_fixed_memory_equal_plain_ones(config: ObjectiveConfig) -> None:
    found = []
    for recorded in (False, True):
        objective = OBJECTIVES[config.kind](config, TRAINING, channels=3, latents=4, seeds=SEEDS, device="cpu")
        draws = CounterRNG(SEEDS)
        updates = Updates(objective, draws, recorded=recorded)
        for step in range(1, PLAIN_UPDATES + 4):
            draws.set_step(step)
            terms = updates.make(PIXELS.batch(objective.batch(draws, Mini.grid, 8)))
        found.append([*objective.networks.parameters(), *terms.values()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
