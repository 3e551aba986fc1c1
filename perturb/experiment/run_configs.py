"""What identifies a run of each stage: the part of the experiment that its result depends on, and nothing more."""

from perturb.config import (
    DatasetConfig,
    ExperimentConfig,
    MetricsConfig,
    ReadoutConfig,
    Section,
    SelectionConfig,
)
from perturb.variants import Variant


class ImagesRun(Section):
    """The images of a ground truth, laid out to be mapped into memory."""

    dataset: DatasetConfig


class PixelsRun(Section):
    """The images of a benchmark file, laid out to be mapped into memory."""

    dataset: DatasetConfig


class ScoresRun(Section):
    """The scores of one trained model."""

    dataset: DatasetConfig
    metrics: tuple[str, ...]
    settings: MetricsConfig
    seed: int
    """Draws the sample of the grid."""


class SelectionRun(Section):
    """The choice of the most and the least entangled restarts."""

    selection: SelectionConfig


class FileRun(Section):
    """A benchmark file."""

    dataset: DatasetConfig
    variant: Variant
    epsilon: float
    bound: str
    seed: int
    """Draws the noises."""


class ReadoutRun(Section):
    """A supervised network that reads the factors from images."""

    dataset: DatasetConfig
    readout: ReadoutConfig
    seed: int


class VariancesRun(Section):
    """The variance that each factor and the perturbation induce."""

    dataset: DatasetConfig
    seed: int


class PredictionRun(Section):
    """The prediction of a pattern's effect on a VAE's axes."""

    dataset: DatasetConfig
    price: float
    """The constant c of the local metric's logarithms, taken from `perturbation.alignment.price`."""
    seed: int
    """Draws the images and the anchors."""


class ReportRun(Section):
    """Tables, figures and the page."""

    experiment: ExperimentConfig
