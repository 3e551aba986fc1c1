from pathlib import Path

import numpy as np
import pytest
import torch

from perturb.config import BetaVAEConfig, TrainingConfig
from perturb.datasets.mini import Mini
from perturb.objectives import OBJECTIVES
from perturb.progress import Progress
from perturb.seeding import torch_generator
from perturb.training import Outcome, train
from perturb.training.batches import Pixels
from perturb.training.curve import is_noted, write_curve

CONFIG = TrainingConfig(architecture="conv32", steps=20, batch_size=8, learning_rate=1e-3, checkpoint_every=7)


@pytest.fixture(scope="module")
def pixels() -> Pixels:
    return Pixels(Mini().images(np.arange(0, 4096, 16)))


def _train(pixels: Pixels, folder: Path, *, seed: int = 3, config: TrainingConfig = CONFIG, stop_at: int | None = None):
    generator = torch_generator(seed, "training")
    objective = OBJECTIVES["beta_vae"](
        BetaVAEConfig(beta=4.0), config, channels=3, latents=4, generator=generator, device="cpu"
    )
    progress = _Stopping(folder, stop_at) if stop_at else Progress(folder)
    outcome = train(
        objective, pixels, config, generator=generator, checkpoint=folder / "checkpoint.safetensors", progress=progress
    )
    return outcome, torch.cat([p.detach().reshape(-1) for p in objective.networks.parameters()])


class _Stopping(Progress):
    """Breaks the loop off after a step, as a kill would."""

    def __init__(self, folder: Path, step: int) -> None:
        super().__init__(folder)
        self._step = step

    def report(self, done: int, total: int, note: str = "") -> None:
        if done == self._step:
            raise InterruptedError


def test_interrupted_and_uninterrupted_trainings_end_in_the_same_weights(pixels: Pixels, tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    whole, expected = _train(pixels, tmp_path / "whole")
    with pytest.raises(InterruptedError):
        _train(pixels, tmp_path, stop_at=17)
    resumed, weights = _train(pixels, tmp_path)
    assert torch.equal(weights, expected)
    assert resumed == whole


def test_a_torn_checkpoint_means_starting_over(pixels: Pixels, tmp_path: Path) -> None:
    _, expected = _train(pixels, tmp_path)
    (tmp_path / "checkpoint.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0torn")
    assert torch.equal(_train(pixels, tmp_path)[1], expected)


def test_a_restart_is_the_same_alone_and_after_others(pixels: Pixels, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("alone", "before", "after")]
    for folder in folders:
        folder.mkdir()
    _, alone = _train(pixels, folders[0], seed=7)
    _, other = _train(pixels, folders[1], seed=6)
    _, after = _train(pixels, folders[2], seed=7)
    assert torch.equal(alone, after)
    assert not torch.equal(alone, other)


def test_a_diverging_run_ends_as_failed_and_says_when(pixels: Pixels, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"learning_rate": 1e30})
    outcome, _ = _train(pixels, tmp_path, config=config)
    assert outcome.failure is not None
    assert "the loss was" in outcome.failure
    assert f"at step {outcome.step}" in outcome.failure
    assert all(np.isfinite(point["loss"]) for point in outcome.curve)


def test_the_curve_is_written_as_csv(tmp_path: Path) -> None:
    write_curve(tmp_path / "curve.csv", [{"step": 1, "loss": 2.5}, {"step": 2, "loss": 2.0}])
    assert (tmp_path / "curve.csv").read_text().split() == ["step,loss", "1,2.5", "2,2.0"]


def test_a_training_without_a_point_has_an_empty_curve(tmp_path: Path) -> None:
    write_curve(tmp_path / "curve.csv", Outcome(1, "diverged", []).curve)
    assert (tmp_path / "curve.csv").read_text().strip() == "step"


def test_batches_are_images_in_unit_range_by_number(pixels: Pixels) -> None:
    batch = pixels.batch(np.array([3, 0]))
    assert batch.shape == (2, 3, 32, 32)
    assert torch.equal((batch[0] * 255).round().permute(1, 2, 0).to(torch.uint8), torch.from_numpy(pixels.array[3]))


@pytest.mark.parametrize("steps", [1, 7, 100, 101, 199, 200, 1_050, 300_000])
def test_a_curve_has_at_most_a_hundred_points_evenly_apart_and_the_last_step(steps: int) -> None:
    noted = [step for step in range(1, steps + 1) if is_noted(step, steps)]
    assert min(steps, 50) <= len(noted) <= 100
    assert noted[-1] == steps
    assert len(set(np.diff(noted[:-1]))) <= 1
