"""The networks that draw an experiment's patterns: trained against restarts of its own, or taken from published recipes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from perturb.benchmark.recipe import Published
from perturb.config import ExperimentConfig
from perturb.experiment.columns import columns_of, trained_columns
from perturb.experiment.specs import Namer
from perturb.perturbation.selection import SelectionRun
from perturb.runs import RunSpec
from perturb.variants import CONTROLS, VariantPattern


@dataclass(frozen=True, kw_only=True)
class Networks:
    """The runs that lead to the networks of an experiment's patterns."""

    restarts: tuple[RunSpec, ...] = ()
    """Scores of each restart. The training is their input. None for published patterns."""
    selection: RunSpec | None = None
    """The selection among the restarts; None for published patterns."""
    patterns: Mapping[VariantPattern, RunSpec] = field(default_factory=dict)
    """Every trained m_ψ. The first is that of `modified`."""
    controls: Mapping[VariantPattern, RunSpec] = field(default_factory=dict)
    """Networks that are matched to a trained m_ψ instead of being trained."""
    models: Mapping[str, RunSpec] = field(default_factory=dict)
    """Images, selection and the restarts' trainings, as inputs of the runs that need them."""


def trained_networks(config: ExperimentConfig, namer: Namer, images: RunSpec) -> Networks:
    """Plan the restarts, the selection among them, the trainings of m_ψ and its controls."""
    restarts = tuple(namer.restart(images, index) for index in range(config.restarts.num))
    trained = {f"restart-{index}": scores.inputs["restart"] for index, scores in enumerate(restarts)}
    scored = {f"scores-{index}": scores for index, scores in enumerate(restarts)}
    selection = namer.run("selection", SelectionRun(selection=config.selection), scored)
    models = {"images": images, "selection": selection, **trained}
    patterns = {column: namer.pattern(column, models) for column in trained_columns(config)}
    controls = {
        column: namer.control(column, images, patterns[VariantPattern("modified", column.pattern)])
        for column in columns_of(config)
        if column.variant in CONTROLS
    }
    return Networks(restarts=restarts, selection=selection, patterns=patterns, controls=controls, models=models)


def published_networks(
    config: ExperimentConfig, namer: Namer, images: RunSpec, recipes: Mapping[VariantPattern, Published]
) -> Networks:
    """Plan a run for each network of the recipes; a control's target is the trained network that it was matched to."""
    patterns = {column: namer.published(column, recipes[column], {"images": images}) for column in trained_columns(config)}
    controls = {
        column: namer.published(
            column,
            recipes[column],
            {"images": images, "perturbation": patterns[VariantPattern("modified", column.pattern)]},
        )
        for column in columns_of(config)
        if column.variant in CONTROLS
    }
    return Networks(patterns=patterns, controls=controls)
