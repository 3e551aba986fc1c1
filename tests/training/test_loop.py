from pathlib import Path

import numpy as np
import pytest
import torch
from mini_images import mini_pixels
from pydantic import TypeAdapter

from perturb.config import ObjectiveConfig, TrainingConfig
from perturb.config.objectives import BetaVAEConfig, VAEConfig
from perturb.config.training import GaussianConfig
from perturb.datasets.pixels import Pixels
from perturb.datasets.renderers.mini import Mini
from perturb.datasets.samples import Samples
from perturb.errors import UserError
from perturb.objectives import OBJECTIVES
from perturb.progress import Progress
from perturb.random.philox import CounterRNG
from perturb.training import TrainingOutcome, train
from perturb.training.curve import is_logged, read_curve, write_curve
from perturb.training.loop import readings

CONFIG = TrainingConfig(architecture="conv32", steps=20, batch_size=8, learning_rate=1e-3, checkpoint_every=7)
SEEDS = (3, 4, 5)


@pytest.fixture(scope="module")
def pixels() -> Pixels:
    return mini_pixels()


def _train(
    pixels: Pixels | list[Pixels],
    folder: Path,
    *seeds: int,
    config: TrainingConfig = CONFIG,
    stop_at: int | None = None,
) -> tuple[list[TrainingOutcome], torch.Tensor]:
    """Train and return the outcomes and the flattened weights (restarts, weights)."""
    objective = OBJECTIVES["beta_vae"](
        BetaVAEConfig(beta=4.0), config, channels=3, latents=4, seeds=seeds, device="cpu"
    )  # fmt: skip
    progress = _Stopping(folder, stop_at) if stop_at else Progress(folder)
    checkpoints = [folder / f"{seed}.safetensors" for seed in seeds]
    images, draws = pixels if isinstance(pixels, list) else [pixels] * len(seeds), CounterRNG(seeds)
    outcomes = train(objective, images, Mini.grid, config, draws=draws, checkpoints=checkpoints, progress=progress)
    return outcomes, torch.cat([p.detach().flatten(1) for p in objective.networks.parameters()], dim=1)


def _are_alike(weights: torch.Tensor, others: torch.Tensor) -> bool:
    """Whether weights are equal up to rounding. Adam turns the few gradients that are pure rounding into full steps."""
    return ((weights - others).abs() > 1e-4).float().mean().item() < 0.01


class _Stopping(Progress):
    """Interrupts the loop after a step, as a kill would."""

    def __init__(self, folder: Path, step: int) -> None:
        super().__init__(folder)
        self._step = step

    def report(self, done: int, total: int, note: str = "") -> None:
        if done == self._step:
            raise InterruptedError


@pytest.mark.parametrize("seeds", [(3,), SEEDS])
def test_an_interrupted_training_resumes_bit_exactly(pixels: Pixels, tmp_path: Path, seeds: tuple[int, ...]) -> None:
    (tmp_path / "whole").mkdir()
    whole, expected = _train(pixels, tmp_path / "whole", *seeds)
    with pytest.raises(InterruptedError):
        _train(pixels, tmp_path, *seeds, stop_at=17)
    resumed, weights = _train(pixels, tmp_path, *seeds)
    assert torch.equal(weights, expected)
    assert resumed == whole


VECTORS = Samples(np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32), np.zeros((50, 1)))


def _train_on_vectors(folder: Path, optimiser: str, *seeds: int, stop_at: int | None = None) -> torch.Tensor:
    """Train and return the flattened weights (restarts, weights), the learnt log-variance last."""
    config = TrainingConfig(
        architecture="linear", steps=20, batch_size=8, learning_rate=1e-2, checkpoint_every=7, optimiser=optimiser,
        likelihood=GaussianConfig(variance="learnt"),
    )  # fmt: skip
    objective = OBJECTIVES["vae"](VAEConfig(), config, channels=3, latents=2, seeds=seeds, device="cpu")
    train(
        objective, [VECTORS.pixels] * len(seeds), VECTORS.grid, config, draws=CounterRNG(seeds),
        checkpoints=[folder / f"{seed}.safetensors" for seed in seeds],
        progress=_Stopping(folder, stop_at) if stop_at else Progress(folder),
    )  # fmt: skip
    return torch.cat([p.detach().reshape(len(seeds), -1) for p in objective.networks.parameters()], dim=1)


@pytest.mark.parametrize("optimiser", ["adam", "adagrad"])
def test_trainings_on_vectors_resume_bit_exactly_and_match_a_restart_trained_alone(tmp_path: Path, optimiser: str) -> None:
    (tmp_path / "whole").mkdir()
    expected = _train_on_vectors(tmp_path / "whole", optimiser, *SEEDS)
    with pytest.raises(InterruptedError):
        _train_on_vectors(tmp_path, optimiser, *SEEDS, stop_at=17)
    assert torch.equal(_train_on_vectors(tmp_path, optimiser, *SEEDS), expected)
    assert len(expected[:, -1].unique()) == len(SEEDS)
    assert torch.allclose(_train_on_vectors(tmp_path, optimiser, SEEDS[1])[0], expected[1], atol=1e-5)
    (tmp_path / "alone").mkdir()
    assert torch.allclose(_train_on_vectors(tmp_path / "alone", optimiser, SEEDS[1])[0], expected[1], atol=1e-5)


def test_restarts_that_were_trained_together_can_be_resumed_alone(pixels: Pixels, tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    _, expected = _train(pixels, tmp_path / "whole", *SEEDS)
    with pytest.raises(InterruptedError):
        _train(pixels, tmp_path, *SEEDS, stop_at=17)
    (outcome,), weights = _train(pixels, tmp_path, SEEDS[1])
    assert outcome.step == CONFIG.steps
    assert _are_alike(weights[0], expected[1])


def test_each_restart_learns_from_its_own_images(pixels: Pixels, tmp_path: Path) -> None:
    inverted = Pixels(255 - mini_pixels().images(slice(None)))
    (tmp_path / "together").mkdir()
    (tmp_path / "alone").mkdir()
    _, together = _train([pixels, inverted, pixels], tmp_path / "together", *SEEDS)
    for place, (images, seed) in enumerate(zip([pixels, inverted, pixels], SEEDS, strict=True)):
        _, alone = _train(images, tmp_path / "alone", seed)
        assert _are_alike(together[place], alone[0])


@pytest.mark.parametrize("change", [{"learning_rate": 2e-3}, {"precision": "bfloat16"}, {"steps": 30}])
def test_a_checkpoint_of_another_config_is_refused_with_both_hashes(
    pixels: Pixels, tmp_path: Path, change: dict[str, object]
) -> None:
    with pytest.raises(InterruptedError):
        _train(pixels, tmp_path, 3, stop_at=17)
    with pytest.raises(UserError, match=r"another config or version \([0-9a-f]{16}, and this training is [0-9a-f]{16}\)"):
        _train(pixels, tmp_path, 3, config=CONFIG.model_copy(update=change))


def test_a_checkpoint_of_another_seed_is_refused(pixels: Pixels, tmp_path: Path) -> None:
    with pytest.raises(InterruptedError):
        _train(pixels, tmp_path, 3, stop_at=17)
    (tmp_path / "3.safetensors").rename(tmp_path / "4.safetensors")
    with pytest.raises(UserError, match="another config"):
        _train(pixels, tmp_path, 4)


def test_the_curve_counts_active_units(pixels: Pixels, tmp_path: Path) -> None:
    (outcome,), _ = _train(pixels, tmp_path, 3)
    assert all(point["active_units"] in range(5) for point in outcome.curve)
    objective = OBJECTIVES["beta_vae"](
        BetaVAEConfig(beta=4.0), CONFIG, channels=3, latents=4, seeds=SEEDS, device="cpu"
    )  # fmt: skip
    with torch.no_grad():
        head = objective.networks["encoder"][-1].logvar
        head.weight.zero_()
        head.bias.copy_(torch.tensor([[0.0, 0.0, 0.0, 0.0], [0.0, -1.0, -3.0, 0.5], [-1.0, -1.0, -1.0, -0.1]]))
    images = pixels.batch(np.zeros((3, 2), int))
    found = readings(objective, images, has_kl=True)
    assert found["active_units"].tolist() == [0, 2, 3]
    assert (found["delta_kl"] == 1).all()
    assert objective.networks.training


@pytest.mark.parametrize(("kind", "logged"), [("vae", True), ("slow_vae", True), ("full_covariance_vae", False),
                                              ("autoencoder", False)])  # fmt: skip
def test_the_curve_of_a_diagonal_vae_reports_the_distance_from_the_polarized_regime(
    pixels: Pixels, tmp_path: Path, kind: str, logged: bool
) -> None:
    config = TypeAdapter(ObjectiveConfig).validate_python({"kind": kind})
    objective = OBJECTIVES[kind](config, CONFIG, channels=3, latents=4, seeds=[3], device="cpu")
    (outcome,) = train(
        objective,
        [pixels],
        Mini.grid,
        CONFIG,
        draws=CounterRNG([3]),
        checkpoints=[tmp_path / "3"],
        progress=Progress(tmp_path),
    )
    assert {("delta_kl" in point) for point in outcome.curve} == {logged}
    assert all(0 <= point.get("delta_kl", 0) < np.inf for point in outcome.curve)


def test_points_of_an_older_curve_lack_the_newer_columns(tmp_path: Path) -> None:
    write_curve(tmp_path / "curve.csv", [{"step": 1, "loss": 2.5}, {"step": 2, "loss": 2.0, "delta_kl": 0.25}])
    found = read_curve(tmp_path / "curve.csv")
    assert found["loss"].tolist() == [2.5, 2.0]
    assert np.array_equal(found["delta_kl"], [np.nan, 0.25], equal_nan=True)


def test_a_torn_checkpoint_restarts_the_training(pixels: Pixels, tmp_path: Path) -> None:
    _, expected = _train(pixels, tmp_path, 3)
    (tmp_path / "3.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0torn")
    assert torch.equal(_train(pixels, tmp_path, 3)[1], expected)


def test_a_restart_is_the_same_alone_after_others_and_stacked(pixels: Pixels, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("alone", "before", "after", "among")]
    for folder in folders:
        folder.mkdir()
    _, alone = _train(pixels, folders[0], 4)
    _, other = _train(pixels, folders[1], 3)
    _, after = _train(pixels, folders[2], 4)
    _, among = _train(pixels, folders[3], *SEEDS)
    assert torch.equal(alone, after)
    assert not torch.equal(alone, other)
    assert _are_alike(among[1], alone[0])
    assert not _are_alike(among[0], alone[0])


def test_a_diverging_run_fails_and_reports_the_step_and_the_loss_term(pixels: Pixels, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"learning_rate": 1e30})
    (outcome,), _ = _train(pixels, tmp_path, 3, config=config)
    assert outcome.failure is not None
    assert outcome.failure.startswith(("the reconstruction was", "the kl was"))
    assert f"at step {outcome.step} (last checkpoint before: step 0)" in outcome.failure
    assert all(np.isfinite(point["loss"]) for point in outcome.curve)


def test_a_failing_restart_stops_without_affecting_the_others(pixels: Pixels, tmp_path: Path) -> None:
    class Poisoned(OBJECTIVES["beta_vae"]):
        """Its second restart starts with a NaN weight."""

        def __init__(self, *args: object, **kwargs: object) -> None:
            super().__init__(*args, **kwargs)
            with torch.no_grad():
                next(iter(self.networks.parameters()))[1].fill_(float("nan"))

    objective = Poisoned(BetaVAEConfig(beta=4.0), CONFIG, channels=3, latents=4, seeds=SEEDS, device="cpu")
    images, checkpoints = [pixels] * len(SEEDS), [tmp_path / str(seed) for seed in SEEDS]
    outcomes = train(
        objective, images, Mini.grid, CONFIG, draws=CounterRNG(SEEDS), checkpoints=checkpoints, progress=Progress(tmp_path)
    )
    assert [outcome.failure is None for outcome in outcomes] == [True, False, True]
    assert [outcome.step for outcome in outcomes] == [CONFIG.steps, 1, CONFIG.steps]
    assert len(outcomes[0].curve) == CONFIG.steps
    assert np.isfinite(outcomes[2].curve[-1]["loss"])


def test_the_curve_is_written_as_csv(tmp_path: Path) -> None:
    write_curve(tmp_path / "curve.csv", [{"step": 1, "loss": 2.5}, {"step": 2, "loss": 2.0}])
    assert (tmp_path / "curve.csv").read_text().split() == ["step,loss", "1,2.5", "2,2.0"]


def test_a_training_without_points_has_an_empty_curve(tmp_path: Path) -> None:
    write_curve(tmp_path / "curve.csv", TrainingOutcome(1, "diverged", []).curve)
    assert (tmp_path / "curve.csv").read_text().strip() == "step"


@pytest.mark.parametrize("points", [1, 2])
def test_a_curve_is_read_back_as_it_was_written(tmp_path: Path, points: int) -> None:
    curve = [{"step": 10 * k + 10, "loss": 1 / (k + 3), "kl": float("nan")} for k in range(points)]
    write_curve(tmp_path / "curve.csv", curve)
    found = read_curve(tmp_path / "curve.csv")
    assert list(found) == ["step", "loss", "kl"]
    assert found["loss"].tolist() == [point["loss"] for point in curve]
    assert found["step"].tolist() == [point["step"] for point in curve]
    assert np.isnan(found["kl"]).all()


def test_an_empty_curve_is_read_back_as_zero_points(tmp_path: Path) -> None:
    write_curve(tmp_path / "curve.csv", [])
    assert {name: column.shape for name, column in read_curve(tmp_path / "curve.csv").items()} == {"step": (0,)}


@pytest.mark.parametrize("steps", [1, 7, 100, 101, 199, 200, 1_050, 300_000])
def test_a_curve_has_at_most_a_hundred_evenly_spaced_points_including_the_last_step(steps: int) -> None:
    noted = [step for step in range(1, steps + 1) if is_logged(step, steps)]
    assert min(steps, 50) <= len(noted) <= 100
    assert noted[-1] == steps
    assert len(set(np.diff(noted[:-1]))) <= 1
