"""Readouts, variances and predictions in run directories."""

from dataclasses import dataclass

from perturb.analysis.readout import FactorReadout
from perturb.config import DatasetConfig, ReadoutConfig, Section


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


@dataclass(frozen=True)
class ReadoutResult:
    """The accuracies of one supervised network."""

    factors: tuple[FactorReadout, ...]
    """A readout for each factor, in the grid's order."""
