"""The columns of an experiment: its variants, each with its independent patterns."""

from perturb.config import ExperimentConfig
from perturb.variants import VariantPattern


def columns_of(config: ExperimentConfig) -> list[VariantPattern]:
    """Return every variant that models are trained on, with each of its patterns."""
    searched = config.search.variants if config.search else ()
    variants = dict.fromkeys((*config.evaluation.variants, *searched))
    return [VariantPattern(variant, draw) for variant in variants for draw in range(config.draws(variant))]


def trained_columns(config: ExperimentConfig) -> list[VariantPattern]:
    """Return the patterns of m_ψ itself, even if only its controls are shown, and of the alternatives."""
    columns = [VariantPattern("modified", draw) for draw in range(config.draws("modified"))]
    return columns + [column for column in columns_of(config) if column.variant in config.alternatives]
