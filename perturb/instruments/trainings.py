"""Trainings by an instrument itself, with an experiment's settings; they are cached in the artifacts folder."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from pydantic import JsonValue

from perturb.datasets import open_ground_truth
from perturb.experiment.checks import check_sizes
from perturb.experiment.specs import Namer
from perturb.instruments.subject import Subjects
from perturb.progress import bar
from perturb.runs import RunSpec, Store

ResultT = TypeVar("ResultT")


def namer_with(subjects: Subjects, seed: int) -> Namer:
    """Return a namer for an experiment's runs with another seed, so that the runs are new ones.

    Raises:
        UserError: If the config does not fit its dataset, or the dataset's file cannot be used.

    """
    config = subjects.config
    truth = open_ground_truth(config.dataset)
    check_sizes(config, truth)
    return Namer(config.model_copy(update={"seed": seed}), truth)


def ensured(store: Store, specs: Sequence[RunSpec], kind: type[ResultT], *, title: str) -> list[ResultT]:
    """Return the results of runs, built now or loaded from the artifacts folder, with a progress bar."""
    with bar(title) as tell:
        for done, spec in enumerate(specs):
            tell(done, len(specs))
            store.ensure(spec)
    return [store.result(spec, kind) for spec in specs]


def defined(values: np.ndarray) -> list[JsonValue]:
    """Return the values as a list, with None for NaN."""
    return [value if np.isfinite(value) else None for value in values.tolist()]
