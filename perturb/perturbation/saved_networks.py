"""Trained perturbation networks, and their controls, in run directories."""

from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import Field
from safetensors.torch import load_file

from perturb.config import DatasetConfig, PerturbationConfig, Section
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
    """The training of m_ψ, or (kind `untrained`) a control of a trained one."""

    dataset: DatasetConfig
    perturbation: PerturbationConfig
    architecture: Architecture
    """The models' architecture, whose decoder m_ψ extends."""
    seed: int
    redraw: Redraw | None = Field(default=None, exclude_if=lambda redraw: redraw is None)
    """The part of the trained network that a control draws anew; None for m_ψ itself."""
    in_span: bool = Field(default=False, exclude_if=lambda in_span: not in_span)
    """True if a control's new curve is confined to the images' own directions."""


@dataclass(frozen=True, kw_only=True)
class PatternResult:
    """The pattern of a network as it is stored, and what its scalar follows."""

    pattern: PatternStatistics
    scalar: ScalarEffects
    last: dict[str, float] | None = None
    """The last point of a training's curve; None for a control."""
    wanted: Goal | None = None
    """The trained pattern's variance and roughness, to which a control is matched; None for a trained network."""
    predicted: tuple[float, ...] = ()
    """The predicted MIG of each try, the lowest of which was taken unless there were trials; empty where there was one."""
    trials: tuple[float | None, ...] = ()
    """The MIG that a trial training had on each try, the lowest of which was taken; empty where there were none."""


def load_network(run: Path, ground_truth: GroundTruth) -> PerturbationNetwork:
    """m_ψ of a finished run, calibrated."""
    config = read_config(run, PerturbationRun)
    network = network_for(ground_truth, config.perturbation, architecture=config.architecture, generator=torch.Generator())
    network.restore(load_file(run_file(run, FILE_NAME)))
    return network.eval()
