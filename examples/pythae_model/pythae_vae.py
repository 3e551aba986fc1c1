"""A model of pythae's, here its β-VAE with pythae's own networks, trained by pythae's own pipeline.

    pip install pythae
    perturb evaluate pythae_vae:make --seeds 5

Each of pythae's models with an encoder may stand in the place of BetaVAE: they are all trained by `TrainingPipeline`, and
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
    """The items of a dataset as pythae takes them: images under the key `data`, and no factors."""

    def __init__(self, dataset: BenchmarkImages) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> DatasetOutput:
        return DatasetOutput(data=self.dataset[index][0])


class PythaeVAE:
    """A model of pythae's with fit and encode.

    Args:
        model: whose encoder gives codes.
        epochs: of the training.

    """

    def __init__(self, model: BaseAE, epochs: int) -> None:
        self.model, self.epochs = model, epochs
        training = {"epochs": epochs, "batch_size": BATCH_SIZE, "learning_rate": LEARNING_RATE}
        self.settings = {"model": model.model_config.to_dict(), "training": training}

    def fit(self, dataset: BenchmarkImages, seed: int) -> None:
        """Train on the images of a variant. pythae writes the trained model to a folder, which is not kept."""
        with tempfile.TemporaryDirectory() as folder:
            config = BaseTrainerConfig(
                output_dir=folder, num_epochs=self.epochs, per_device_train_batch_size=BATCH_SIZE,
                learning_rate=LEARNING_RATE, seed=seed % 2**32,
            )  # fmt: skip
            TrainingPipeline(self.model, config)(Items(dataset))
        self.model.eval()

    def encode(self, images: Tensor) -> Tensor:
        """Codes (n, latents) of images (n, channels, height, width) in [0, 1]."""
        device = next(self.model.parameters()).device
        return self.model.encoder(images.to(device)).embedding


def make(image_shape: tuple[int, int, int], num_factors: int, epochs: int = EPOCHS) -> PythaeVAE:
    """The β-VAE of pythae."""
    config = BetaVAEConfig(input_dim=image_shape, latent_dim=num_factors, beta=BETA, reconstruction_loss="bce")
    return PythaeVAE(BetaVAE(config), epochs)
