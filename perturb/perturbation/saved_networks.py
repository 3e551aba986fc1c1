"""Trained perturbation networks and their controls in run directories."""

from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import Field
from safetensors.torch import load_file

from perturb.config import DatasetConfig, PerturbationConfig, PublishedRecipe, Section
from perturb.config.training import Architecture
from perturb.datasets import GroundTruth
from perturb.manifests import read_config, run_file
from perturb.perturbation.matching import Goal
from perturb.perturbation.network import PerturbationNetwork, network_for
from perturb.perturbation.scalar import ScalarEffects
from perturb.perturbation.stored import PatternStatistics
from perturb.variants import Redraw

FILE_NAME = "psi.safetensors"


class PerturbationRun(Section):
    """The training of m_ψ, or (kind `untrained`) a control for a trained one."""

    dataset: DatasetConfig
    perturbation: PerturbationConfig
    architecture: Architecture
    """Architecture of the models; m_ψ extends its decoder."""
    seed: int
    redraw: Redraw | None = Field(default=None, exclude_if=lambda redraw: redraw is None)
    """The part of the trained network that a control redraws; None for m_ψ itself."""
    in_span: bool = Field(default=False, exclude_if=lambda in_span: not in_span)
    """True if a control's new curve is confined to the images' own directions."""
    published: PublishedRecipe | None = Field(default=None, exclude_if=lambda published: published is None)
    """The recipe that the network is taken from; None for a network that is trained or drawn here."""


@dataclass(frozen=True, kw_only=True)
class PatternResult:
    """Statistics of a network's stored pattern, and the effects of the factors on its scalar."""

    pattern: PatternStatistics
    scalar: ScalarEffects
    last: dict[str, float] | None = None
    """The last point of a training's curve; None for a control."""
    wanted: Goal | None = None
    """Variance and roughness of the trained pattern, to which a control is matched; None for a trained network."""
    predicted: tuple[float, ...] = ()
    """Predicted MIG of each candidate pattern; empty if there was only one. Without trials, the lowest was selected."""
    trials: tuple[float | None, ...] = ()
    """MIG of a trial training on each candidate pattern, None if it has none; the lowest was selected. Empty without
    trials."""


def load_network(run: Path, ground_truth: GroundTruth) -> PerturbationNetwork:
    """Load the calibrated m_ψ of a finished run."""
    config = read_config(run, PerturbationRun)
    network = network_for(ground_truth, config.perturbation, architecture=config.architecture, generator=torch.Generator())
    network.restore(load_file(run_file(run, FILE_NAME)))
    return network.eval()
