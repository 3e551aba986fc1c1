"""Train models of any method on vectors, several restarts in parallel, with callbacks during training."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from perturb.config import ObjectiveConfig, TrainingConfig
from perturb.datasets.samples import Samples
from perturb.errors import UserError
from perturb.objectives import OBJECTIVES, Objective
from perturb.progress import ProgressGroup
from perturb.random.philox import CounterRNG
from perturb.random.seeds import child_seed
from perturb.training import train

Look = Callable[[int, Objective], None]
"""A callback that receives the number of updates so far, and the models in evaluation mode."""


class _Watch(ProgressGroup):
    """A progress listener that calls back with the models after certain steps."""

    def __init__(self, model: Objective, steps: Collection[int], look: Look) -> None:
        super().__init__(())
        self._model, self._steps, self._look = model, frozenset(steps), look

    def report(self, done: int, total: int, note: str = "") -> None:
        """Call the callback if this is one of the steps."""
        if done in self._steps:
            self._model.networks.eval()
            self._look(done, self._model)
            self._model.networks.train()


def trained(
    sets: Sequence[Samples],
    method: ObjectiveConfig,
    training: TrainingConfig,
    *,
    latents: int,
    seeds: Sequence[int],
    rates: Sequence[float] = (),
    device: str = "cpu",
    steps: Collection[int] = (),
    look: Look = lambda step, model: None,
) -> Objective:
    """Train models of one method, one restart per seed, and return them in evaluation mode.

    Args:
        sets: Training vectors of each restart, all of the same number and dimension.
        method: Config of the method, such as VAEConfig or AutoencoderConfig.
        training: Training settings with the architecture `linear` or `mlp_vectors`.
        latents: Number of latents.
        seeds: One seed per restart.
        rates: Learning rates to use in turn, each for `training.steps` updates. If empty, the training's own rate.
        device: Torch device.
        steps: Numbers of updates at a learning rate after which `look` is called. This does not affect the training.
        look: Callback that receives the step and the models.

    Raises:
        UserError: If a training diverged.

    """
    model = untrained(method, training, channels=sets[0].values.shape[1], latents=latents, seeds=seeds, device=device)
    once = {id(one): one.pixels if device == "cpu" else one.pixels.resident(device) for one in sets}
    for stage, rate in enumerate(rates or [training.learning_rate]):
        for group in (group for optimiser in model.optimisers.values() for group in optimiser.param_groups):
            group["lr"] = rate
        drawn = [child_seed(seed, "stage", stage) if stage else seed for seed in seeds]
        with TemporaryDirectory() as folder:
            outcomes = train(
                model,
                [once[id(one)] for one in sets],
                sets[0].grid,
                training,
                draws=CounterRNG(drawn, device),
                checkpoints=[Path(folder) / str(place) for place in range(len(seeds))],
                progress=_Watch(model, steps, look),
            )
        if failures := [outcome.failure for outcome in outcomes if outcome.failure]:
            raise UserError(
                f"{method.kind}, {training.architecture}: {failures[0]}; lower learning_rate, which is {rate:g}."
            )
    model.networks.eval().requires_grad_(False)
    return model


def untrained(
    method: ObjectiveConfig,
    training: TrainingConfig,
    *,
    channels: int,
    latents: int,
    seeds: Sequence[int],
    device: str = "cpu",
) -> Objective:
    """Return untrained models of one method, one restart per seed.

    Args:
        method: Config of the method, such as VAEConfig.
        training: Settings with the architecture, optimiser and likelihood.
        channels: Number of values in a vector.
        latents: Number of latents.
        seeds: One seed per restart.
        device: Torch device.

    """
    return OBJECTIVES[method.kind](
        method, training, channels=channels, latents=latents, seeds=seeds, device=device
    )  # fmt: skip
