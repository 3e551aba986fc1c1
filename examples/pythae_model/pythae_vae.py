"""A pythae model, here its β-VAE with its default networks, trained by pythae's own pipeline.

    pip install pythae
    perturb evaluate pythae_vae:make --seeds 5

You can replace BetaVAE with any pythae model that has an encoder: `TrainingPipeline` trains them all, and
`encoder(images).embedding` is their code. pythae draws batches and noise from global generators, which it seeds itself.
"""

import tempfile

from pythae.data.datasets import DatasetOutput
from pythae.models import BaseAE, BetaVAE, BetaVAEConfig
from pythae.pipelines import TrainingPipeline
from pythae.trainers import BaseTrainerConfig
from torch import Tensor
from torch.utils.data import Dataset

from perturb.external import BenchmarkImages

EPOCHS, BATCH_SIZE, LEARNING_RATE, BETA = 10, 64, 1e-3, 16.0


class Items(Dataset):
    """Items of a dataset in pythae's format: images under the key `data`, without factors."""

    def __init__(self, dataset: BenchmarkImages) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> DatasetOutput:
        return DatasetOutput(data=self.dataset[index][0])


class PythaeVAE:
    """Wrapper that gives a pythae model the methods `fit` and `encode`.

    Args:
        model: a model whose encoder returns codes.
        epochs: number of training epochs.

    """

    def __init__(self, model: BaseAE, epochs: int) -> None:
        self.model, self.epochs = model, epochs
        training = {"epochs": epochs, "batch_size": BATCH_SIZE, "learning_rate": LEARNING_RATE}
        self.settings = {"model": model.model_config.to_dict(), "training": training}

    def fit(self, dataset: BenchmarkImages, seed: int) -> None:
        """Train on the images of a variant. The folder to which pythae writes the trained model is deleted."""
        with tempfile.TemporaryDirectory() as folder:
            config = BaseTrainerConfig(
                output_dir=folder, num_epochs=self.epochs, per_device_train_batch_size=BATCH_SIZE,
                learning_rate=LEARNING_RATE, seed=seed % 2**32,
            )  # fmt: skip
            TrainingPipeline(self.model, config)(Items(dataset))
        self.model.eval()

    def encode(self, images: Tensor) -> Tensor:
        """Return codes (n, latents) of images (n, channels, height, width) in [0, 1]."""
        device = next(self.model.parameters()).device
        return self.model.encoder(images.to(device)).embedding


def make(image_shape: tuple[int, int, int], num_factors: int, epochs: int = EPOCHS) -> PythaeVAE:
    """The β-VAE of pythae."""
    config = BetaVAEConfig(input_dim=image_shape, latent_dim=num_factors, beta=BETA, reconstruction_loss="bce")
    return PythaeVAE(BetaVAE(config), epochs)
