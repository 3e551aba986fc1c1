"""Short trainings of every form of m_ψ's objective: what it learns, and that an interruption changes nothing."""

from pathlib import Path

import numpy as np
import pytest
import torch

from perturb.config import PerturbationConfig
from perturb.config.perturbation import AlignmentConfig
from perturb.datasets.ground_truth import FactorGrid
from perturb.datasets.pixels import Pixels
from perturb.datasets.renderers.mini import Mini
from perturb.perturbation.alignment import Alignment, Codes
from perturb.perturbation.exact_game import ExactGame, explained
from perturb.perturbation.frozen import FrozenEncoder
from perturb.perturbation.game import Game, Player, ResidualPlayer
from perturb.perturbation.local_metric import standardised
from perturb.perturbation.network import PerturbationNetwork
from perturb.perturbation.pattern import calibrate, measure
from perturb.perturbation.scalar import scalar_effects
from perturb.perturbation.training import Adversary, train_network
from perturb.progress import Progress

CONFIG = PerturbationConfig(
    form="residual", epsilon=0.175, steps=60, batch_size=32, generator="coarse", normalise_scalar=True, spread=1.0,
    learning_rate=1e-3, decoder_learning_rate=2e-3, alignment=AlignmentConfig(points=300, anchors=20, redraw_every=7),
)  # fmt: skip
ALL = np.arange(4096)
PIXELS = Pixels(Mini().images(ALL))
FACTORS = torch.from_numpy(Mini.grid.scaled(ALL))
FEW = FactorGrid(Mini.grid.names, (4, 4, 4, 4))
"""Every other value of each factor, because the exact game needs a matrix over all pairs of images."""
FEW_PIXELS = Pixels(Mini().images(Mini.grid.indices_of(2 * FEW.factors_of(np.arange(256)))))


class FactorCodes:
    """An encoder of some of the factors and nothing else."""

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
    """Factors as codes that depend on the batch size, like rounding does."""
    means = Mini.grid.scaled(numbers)[:, :2] * (1 + 1e-3 * len(numbers))
    return means, np.full_like(means, -5.0)


def _adversary(
    config: PerturbationConfig = CONFIG, seed: int = 0, encoders: tuple[object, object] | None = None
) -> Adversary:
    generator = torch.Generator().manual_seed(seed)
    network = PerturbationNetwork(config, num_factors=4, image_shape=(32, 32, 3), architecture="conv32", generator=generator)
    shared = {"pixels": PIXELS, "grid": Mini.grid, "generator": generator, "device": "cpu"}
    if config.form.startswith("alignment"):
        return Alignment(config, network, [Codes(standardised(FACTORS), 1.0)], pool=ALL, **shared)
    if config.form == "literal_exact":
        part = torch.from_numpy(FEW.scaled(np.arange(256)))
        operators = [
            explained(part[:, columns], torch.full((256, 2), 0.3), samples=4, generator=generator)
            for columns in ([0, 1], [2, 3])
        ]
        return ExactGame(config, network, operators[0] - operators[1], pixels=FEW_PIXELS, grid=FEW, device="cpu")
    players = [
        Player(encoder, ResidualPlayer(2, network.pattern_shape, generator=generator))
        for encoder in encoders or (FactorCodes([0, 1]), FactorCodes([2, 3]))
    ]
    return Game(config, network, players[:1], players[1:], **shared)


def _run(adversary: Adversary, folder: Path, progress: Progress | None = None, steps: int = 60) -> list[dict[str, float]]:
    return train_network(
        adversary,
        steps=steps,
        checkpoint=folder / "checkpoint.safetensors",
        checkpoint_every=20,
        progress=progress or Progress(folder),
    )


def _explained_by(adversary: Adversary, columns: list[int]) -> float:
    """Share of the scalar's variance that a linear function of these factors leaves unexplained."""
    calibrate(adversary.network, Mini.grid)
    with torch.no_grad():
        scalar = adversary.network.scalar(FACTORS)[:, 0].numpy()
    design = np.c_[FACTORS[:, columns].numpy(), np.ones(4096)]
    return float(np.linalg.lstsq(design, scalar, rcond=None)[1][0] / (scalar.var() * 4096))


@pytest.mark.parametrize(("form", "steps"), [("residual", 250), ("literal_exact", 40)])
def test_in_a_game_the_scalar_follows_the_factors_that_only_the_entangled_side_encodes(
    form: str, steps: int, tmp_path: Path
) -> None:
    adversary = _adversary(CONFIG.model_copy(update={"form": form, "steps": steps}))
    curve = _run(adversary, tmp_path, steps=steps)
    # In the exact game the initial gap is what the codes explain of the originals themselves.
    start = 3 * abs(curve[0]["gap"]) if form == "residual" else curve[0]["gap"]
    assert np.mean([point["gap"] for point in curve[-10:]]) > start + 1
    assert _explained_by(adversary, [0, 1]) < _explained_by(adversary, [2, 3])
    assert measure(adversary.network, PIXELS, Mini.grid, epsilon=0.175, bound="reflect").variation > 0.3


def test_alignment_trains_a_scalar_of_all_factors_that_makes_turned_axes_cheaper(tmp_path: Path) -> None:
    adversary = _adversary(CONFIG.model_copy(update={"form": "alignment_factors", "learning_rate": 3e-3}))
    curve = _run(adversary, tmp_path)
    assert curve[-1]["gain"] > 3 * curve[0]["gain"]
    assert curve[-1]["gain"] > 0.3
    calibrate(adversary.network, Mini.grid)
    assert scalar_effects(adversary.network, Mini.grid).effective > 2


def test_alignment_in_the_span_only_sees_the_images_projected_onto_their_principal_directions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def first_gain(name: str, *, in_span: bool) -> float:
        alignment = CONFIG.alignment.model_copy(update={"in_span": in_span})
        (tmp_path / name).mkdir()
        config = CONFIG.model_copy(update={"form": "alignment_factors", "alignment": alignment})
        return _run(_adversary(config), tmp_path / name, steps=1)[0]["gain"]

    whole, within = first_gain("whole", in_span=False), first_gain("within", in_span=True)
    assert abs(within / whole - 1) > 0.05
    monkeypatch.setattr("perturb.perturbation.alignment.principal_directions", lambda pixels, grid: torch.eye(8 * 8 * 3))
    assert first_gain("every direction", in_span=True) == pytest.approx(whole, rel=1e-4)


@pytest.mark.parametrize("case", ["factors", "frozen", "alignment_factors", "literal_exact"])
def test_an_interrupted_training_resumes_bit_exactly(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Holds even if an encoder's rounding depends on the batch: its codes are restored from the checkpoint."""
    monkeypatch.setattr("perturb.perturbation.frozen.encode", _encoded)
    form = case if case in ("alignment_factors", "literal_exact") else "residual"
    steps = 60
    config = CONFIG.model_copy(update={"form": form, "coverage": 0.5})
    last = steps - 2

    def adversary() -> Adversary:
        frozen = tuple(FrozenEncoder(None, PIXELS, 2) for _ in range(2))
        return _adversary(config, encoders=frozen if case == "frozen" else None)

    class Stopping(Progress):
        def report(self, done: int, total: int, note: str = "") -> None:
            if done == last:
                raise InterruptedError

    class Told(Progress):
        def __init__(self, folder: Path) -> None:
            super().__init__(folder)
            self.steps: list[int] = []

        def report(self, done: int, total: int, note: str = "") -> None:
            self.steps.append(done)

    (tmp_path / "whole").mkdir()
    whole = adversary()
    curve = _run(whole, tmp_path / "whole", steps=steps)
    with pytest.raises(InterruptedError):
        _run(adversary(), tmp_path, Stopping(tmp_path), steps=steps)
    resumed, told = adversary(), Told(tmp_path)
    assert _run(resumed, tmp_path, told, steps=steps) == curve
    assert told.steps == list(range(last // 20 * 20 + 1, steps + 1))
    for name, value in whole.networks.state_dict().items():
        assert torch.equal(value, resumed.networks.state_dict()[name]), name
