"""Experiment configs as frozen, validated data: read from TOML, resolved to canonical JSON and hashed.

Importing this package does not import torch.
"""

from perturb.config.evaluation import ContrastConfig, EvaluationConfig, MethodConfig, ReadoutConfig, SearchConfig
from perturb.config.experiment import (
    OWN,
    DatasetConfig,
    ExperimentConfig,
    RestartsConfig,
    SelectionConfig,
)
from perturb.config.loading import config_hash, load_experiment, scaled_down, with_methods
from perturb.config.metrics import MetricsConfig
from perturb.config.objectives import ObjectiveConfig
from perturb.config.perturbation import CollapseConfig, PerturbationConfig
from perturb.config.published import PublishedConfig, PublishedRecipe
from perturb.config.section import Section
from perturb.config.training import TrainingConfig

__all__ = [
    "OWN",
    "CollapseConfig",
    "ContrastConfig",
    "DatasetConfig",
    "EvaluationConfig",
    "ExperimentConfig",
    "MethodConfig",
    "MetricsConfig",
    "ObjectiveConfig",
    "PerturbationConfig",
    "PublishedConfig",
    "PublishedRecipe",
    "ReadoutConfig",
    "RestartsConfig",
    "SearchConfig",
    "Section",
    "SelectionConfig",
    "TrainingConfig",
    "config_hash",
    "load_experiment",
    "scaled_down",
    "with_methods",
]
