"""The way in which codes hold the factors on each variant: measured where a run is scored, shown next to its scores."""

from perturb.analysis.factor_directions import Held, held_by_name
from perturb.datasets import FactorGrid
from perturb.entries.entry import Entry
from perturb.metrics import Coded
from perturb.random.seeds import numpy_generator, some_of
from perturb.report.holding import Holding, sentence_on, table_of_shares
from perturb.report.table import TextTable

SAMPLE = 2_000
"""Maximum number of images whose codes are examined."""


def factors_of_run(coded: Coded, grid: FactorGrid, *, seed: int) -> dict[str, Held] | None:
    """Measure how codes hold each factor, by its name; None if there are too few codes or too many latents, or none varies.

    Args:
        coded: The codes and factors that were scored.
        grid: The grid that the factors belong to.
        seed: Seed for drawing the images.

    """
    rng = numpy_generator(seed, "factors")
    rows = some_of(len(coded.codes), SAMPLE, rng)
    return held_by_name(coded.codes[rows], coded.factors[rows], grid, rng)


def factors_table(entry: Entry) -> TextTable | None:
    """Return a table with a line for each variant: the share of factors held in each way; None if nothing was measured."""
    return table_of_shares(f"How codes of {entry.model} hold the factors", _models(entry))


def factors_sentence(entry: Entry) -> str | None:
    """Return one sentence on the share of factors with a latent of their own on each variant; None if not measured."""
    return sentence_on(entry.model, _models(entry))


def _models(entry: Entry) -> list[Holding]:
    """Return the measured runs of an entry."""
    return [
        Holding(entry.model, run.variant, {name: Held(**one.model_dump()) for name, one in run.factors.items()})
        for run in entry.runs
        if run.factors is not None
    ]
