"""The study's β-VAE, evaluated like any other model: it reproduces the scores in the study's table.

    perturb evaluate beta_vae:make --seed 41 --seeds 3 --variants original,modified,untrained,noise

Seed 41 is the study's (configs/mini.toml), whose first three seeds use the three patterns that come with the package.
Rounding depends on the number of threads per training, so scores match to the digit only if each run has as many threads as
in the study.
"""

import tempfile
from pathlib import Path

import numpy as np
from torch import Tensor

from perturb.config import TrainingConfig
from perturb.config.objectives import BetaVAEConfig
from perturb.external import BenchmarkImages
from perturb.objectives import OBJECTIVES, Objective
from perturb.progress import Progress
from perturb.random.philox import CounterRNG
from perturb.training import train

TRAINING = TrainingConfig(architecture="conv32", steps=1_000, batch_size=32, learning_rate=1e-3, checkpoint_every=250)


class BuiltIn:
    """A method of perturb with fit and encode.

    Args:
        objective: config of the method.
        training: config of its training.

    """

    def __init__(self, objective: BetaVAEConfig, training: TrainingConfig) -> None:
        self.objective, self.training = objective, training
        self.settings = {"objective": objective.model_dump(mode="json"), "training": training.model_dump(mode="json")}

    def fit(self, dataset: BenchmarkImages, seed: int) -> None:
        """Train on the images of a variant."""
        self.model = self._new(dataset, seed, self.training)
        with tempfile.TemporaryDirectory() as folder:
            (outcome,) = train(
                self.model, [dataset.pixels], dataset.grid, self.training, draws=CounterRNG([seed]),
                checkpoints=[Path(folder) / "checkpoint.safetensors"], progress=Progress(Path(folder)),
            )  # fmt: skip
        if outcome.failure:
            raise ArithmeticError(outcome.failure)
        # Encode in float32, whatever precision the training used.
        weights = self.model.networks.state_dict()
        self.model = self._new(dataset, seed, self.training.model_copy(update={"precision": "float32"}))
        self.model.networks.load_state_dict(weights)
        self.model.networks.eval()

    def encode(self, images: Tensor) -> np.ndarray:
        """Return posterior means (n, latents) of images (n, channels, height, width)."""
        return self.model.posterior(images.permute(0, 2, 3, 1)[None]).mean[0].cpu().numpy()

    def _new(self, dataset: BenchmarkImages, seed: int, training: TrainingConfig) -> Objective:
        latents, channels = training.latents or dataset.grid.num_factors, dataset.image_shape[0]
        method = OBJECTIVES[self.objective.kind]
        return method(self.objective, training, channels=channels, latents=latents, seeds=[seed], device="cpu")


def make() -> BuiltIn:
    """β-VAE of the study, β = 16."""
    return BuiltIn(BetaVAEConfig(beta=16.0), TRAINING)
