"""Models trained on vectors and looked at on the way."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from perturb.config import ObjectiveConfig, TrainingConfig
from perturb.datasets.samples import Samples
from perturb.errors import UserError
from perturb.objectives import OBJECTIVES, Objective
from perturb.progress import ProgressGroup
from perturb.random.philox import CounterRNG
from perturb.training import train

Look = Callable[[int, Objective], None]
"""Takes the number of updates made so far, and the models, in evaluation mode."""


class _Watch(ProgressGroup):
    """A listener to a training's progress that looks at the models after some steps."""

    def __init__(self, model: Objective, steps: Collection[int], look: Look) -> None:
        super().__init__(())
        self._model, self._steps, self._look = model, frozenset(steps), look

    def report(self, done: int, total: int, note: str = "") -> None:
        """Look, if this is one of the steps."""
        if done in self._steps:
            self._model.networks.eval()
            self._look(done, self._model)
            self._model.networks.train()


def watched(
    samples: Samples,
    method: ObjectiveConfig,
    training: TrainingConfig,
    *,
    latents: int,
    seeds: Sequence[int],
    device: str = "cpu",
    steps: Collection[int] = (),
    look: Look = lambda step, model: None,
) -> Objective:
    """Train models side by side, a restart for each seed; the result is in evaluation mode.

    Args:
        samples: vectors.
        method: such as VAEConfig.
        training: of an architecture for vectors, `linear` or `mlp_vectors`.
        latents: of the code.
        seeds: one for each restart.
        device: of torch.
        steps: numbers of updates after which `look` is called. Looking changes nothing.
        look: is told the step, and shown the models.

    Raises:
        UserError: a training has diverged.

    """
    model = OBJECTIVES[method.kind](
        method, training, channels=samples.values.shape[1], latents=latents, seeds=seeds, device=device
    )  # fmt: skip
    pixels = samples.pixels if device == "cpu" else samples.pixels.resident(device)
    with TemporaryDirectory() as folder:
        outcomes = train(
            model,
            [pixels] * len(seeds),
            samples.grid,
            training,
            draws=CounterRNG(seeds, device),
            checkpoints=[Path(folder) / str(seed) for seed in seeds],
            progress=_Watch(model, steps, look),
        )
    if failures := [outcome.failure for outcome in outcomes if outcome.failure]:
        raise UserError(f"{method.kind}: {failures[0]}; lower learning_rate, which is {training.learning_rate:g}.")
    model.networks.eval().requires_grad_(False)
    return model
