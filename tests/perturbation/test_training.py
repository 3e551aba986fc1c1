from pathlib import Path

import numpy as np
import pytest
import torch

from perturb.config import PerturbationConfig
from perturb.datasets.mini import Mini
from perturb.datasets.pixels import Pixels
from perturb.perturbation.frozen import FrozenEncoder
from perturb.perturbation.game import ResidualPlayer
from perturb.perturbation.network import PerturbationNetwork
from perturb.perturbation.pattern import calibrate, measure
from perturb.perturbation.training import PerturbationTraining, Player
from perturb.progress import Progress

CONFIG = PerturbationConfig(
    form="residual", epsilon=0.175, steps=60, batch_size=32, generator="coarse", normalise_scalar=True, spread=1.0,
    learning_rate=1e-3, decoder_learning_rate=2e-3,
)  # fmt: skip
PIXELS = Pixels(Mini().images(np.arange(4096)))


class FactorCodes:
    """An encoder that knows some of the factors and nothing else."""

    def __init__(self, columns: list[int]) -> None:
        self._columns = columns

    def sample(self, indices: torch.Tensor, count: int, *, generator: torch.Generator) -> torch.Tensor:
        factors = torch.from_numpy(Mini.grid.scaled(indices.numpy()))[:, self._columns]
        return factors + 0.05 * torch.randn((count, *factors.shape), generator=generator)

    def known(self) -> dict[str, torch.Tensor]:
        return {}

    def remember(self, known: dict[str, torch.Tensor]) -> None:
        assert known == {}


def _encoded(objective: object, pixels: Pixels, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Factors as codes, rounded by the company they are in."""
    means = Mini.grid.scaled(numbers)[:, :2] * (1 + 1e-3 * len(numbers))
    return means, np.full_like(means, -5.0)


def _training(
    config: PerturbationConfig = CONFIG, seed: int = 0, encoders: tuple[object, object] | None = None
) -> PerturbationTraining:
    generator = torch.Generator().manual_seed(seed)
    network = PerturbationNetwork(config, num_factors=4, image_shape=(32, 32, 3), architecture="conv32", generator=generator)
    players = [
        Player(encoder, ResidualPlayer(2, network.pattern_shape, generator=generator))
        for encoder in encoders or (FactorCodes([0, 1]), FactorCodes([2, 3]))
    ]
    return PerturbationTraining(
        config, network, players[:1], players[1:], pixels=PIXELS, grid=Mini.grid, generator=generator, device="cpu"
    )  # fmt: skip


def _run(training: PerturbationTraining, folder: Path, progress: Progress | None = None) -> list[dict[str, float]]:
    return training.run(
        checkpoint=folder / "checkpoint.safetensors", checkpoint_every=20, progress=progress or Progress(folder)
    )


def test_the_scalar_follows_what_only_the_entangled_side_can_see(tmp_path: Path) -> None:
    """Two players see different factors: ψ must draw what its own side can predict and the other cannot."""
    training = _training(CONFIG.model_copy(update={"steps": 250}))
    curve = _run(training, tmp_path)
    assert np.mean([point["gap"] for point in curve[-10:]]) > 3 * abs(curve[0]["gap"]) + 1
    calibrate(training.network, Mini.grid)
    factors = Mini.grid.scaled(np.arange(4096))
    with torch.no_grad():
        scalar = training.network.scalar(torch.from_numpy(factors))[:, 0].numpy()
    explained = [np.linalg.lstsq(np.c_[factors[:, c], np.ones(4096)], scalar, rcond=None)[1][0] for c in ([0, 1], [2, 3])]
    assert explained[0] < explained[1]
    assert measure(training.network, PIXELS, Mini.grid, epsilon=0.175, bound="reflect").variation > 0.3


@pytest.mark.parametrize("frozen", [False, True], ids=["factors", "frozen"])
def test_interrupted_and_uninterrupted_trainings_end_alike(
    frozen: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where an encoder rounds otherwise in other company: what it has encoded comes back with the checkpoint."""
    monkeypatch.setattr("perturb.perturbation.frozen.encode", _encoded)

    def training() -> PerturbationTraining:
        return _training(encoders=tuple(FrozenEncoder(None, PIXELS, 2) for _ in range(2)) if frozen else None)

    class Stopping(Progress):
        def report(self, done: int, total: int, note: str = "") -> None:
            if done == 47:
                raise InterruptedError

    class Told(Progress):
        def __init__(self, folder: Path) -> None:
            super().__init__(folder)
            self.steps: list[int] = []

        def report(self, done: int, total: int, note: str = "") -> None:
            self.steps.append(done)

    (tmp_path / "whole").mkdir()
    whole = training()
    curve = _run(whole, tmp_path / "whole")
    with pytest.raises(InterruptedError):
        _run(training(), tmp_path, Stopping(tmp_path))
    resumed, told = training(), Told(tmp_path)
    assert _run(resumed, tmp_path, told) == curve
    assert told.steps == list(range(41, CONFIG.steps + 1))
    for name, value in whole.networks.state_dict().items():
        assert torch.equal(value, resumed.networks.state_dict()[name]), name
