"""Configs and results of readout, variance and prediction runs."""

from dataclasses import dataclass

from perturb.analysis.factor_directions import Held
from perturb.analysis.readout import FactorReadout
from perturb.config import DatasetConfig, ReadoutConfig, Section


class ReadoutRun(Section):
    """Training of a supervised network that predicts the factors from images."""

    dataset: DatasetConfig
    readout: ReadoutConfig
    seed: int


class VariancesRun(Section):
    """Measurement of the variance that each factor and the perturbation induce."""

    dataset: DatasetConfig
    seed: int


class CodesRun(Section):
    """Measurement of how the codes of a trained model hold the factors."""

    dataset: DatasetConfig
    seed: int
    """Seed for drawing the images."""


class PredictionRun(Section):
    """Prediction of a pattern's effect on a VAE's axes."""

    dataset: DatasetConfig
    price: float
    """The constant c of the local metric's logarithms, taken from `perturbation.alignment.price`."""
    seed: int
    """Seed for drawing the images and the anchors."""


@dataclass(frozen=True)
class CodesResult:
    """The ways in which the codes of one model hold the factors."""

    factors: dict[str, Held] | None
    """Measurements by the factor's name; None if the training failed or they cannot be measured."""


@dataclass(frozen=True)
class ReadoutResult:
    """The accuracies of one supervised network."""

    factors: tuple[FactorReadout, ...]
    """One readout per factor, in the grid's order."""
