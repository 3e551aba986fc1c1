"""The originals that a benchmark file or its recipe names as its source."""

from pathlib import Path

from perturb.datasets import DATASETS, GroundTruth, load_own, reader_of, renderer_of
from perturb.datasets.hdf5.schema import source
from perturb.errors import UserError


def originals(asker: Path, dataset: str, made_from: str, origin: Path | None) -> GroundTruth:
    """Return the ground truth whose images a file was made from.

    Args:
        asker: the file, for error messages.
        dataset: name of the ground truth.
        made_from: the file's attribute `source`.
        origin: the official file, or the Python file of a user's own ground truth; None: the renderer.

    Raises:
        UserError: the ground truth needs an `origin`, or the one found is not the one that the file was made from.

    """
    if origin is None and "source=renderer" not in made_from:
        raise UserError(f"{asker}: was made from {made_from or 'unknown originals'}; name that file with --origin.")
    if origin is None:
        truth = renderer_of(dataset)
    else:
        truth = reader_of(dataset, origin) if dataset in DATASETS else load_own(origin)
    if (found := source(truth)) != made_from:
        raise UserError(f"{asker}: its originals must be {made_from}, got {found}.")
    return truth
