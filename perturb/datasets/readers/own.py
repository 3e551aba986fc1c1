"""Ground truths that users define: a Python file with one class.

The file is executed as code. Never name a file that you would not run.
"""

import inspect
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np

from perturb.datasets.ground_truth import FactorGrid, GroundTruth
from perturb.errors import UserError
from perturb.files import sha256_of


def load_own(path: Path, sha256: str | None = None) -> GroundTruth:
    """Load the ground truth that a Python file defines.

    Args:
        path: the file. It must define one subclass of GroundTruth, which is instantiated without arguments.
        sha256: expected hash of the file; None accepts any.

    Raises:
        UserError: the file does not exist or has changed, it defines no such class or several, or the class breaks a rule.
            Exceptions from the file's own code keep their traceback.

    """
    if not path.is_file():
        raise UserError(f"{path}: there is no such file; dataset.path must name the Python file of your ground truth.")
    actual = sha256_of(path)
    if sha256 not in (None, actual):
        raise UserError(f"{path}: has changed while the experiment was running; run the same command again.")
    return _loaded(path, actual)


@cache
def _loaded(path: Path, sha256: str) -> GroundTruth:
    module = _module(path, sha256)
    classes = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, GroundTruth) and value.__module__ == module.__name__
    ]
    if len(classes) != 1:
        named = ", ".join(value.__name__ for value in classes) or "none"
        raise UserError(f"{path}: must define one subclass of perturb.datasets.GroundTruth, got {named}.")
    if missing := sorted(getattr(classes[0], "__abstractmethods__", ())):
        raise UserError(f"{path}: {classes[0].__name__} must define {', '.join(missing)}.")
    truth = classes[0]()
    truth.code_sha256 = sha256
    _check(path, truth)
    return truth


def _module(path: Path, sha256: str) -> ModuleType:
    """Execute the file's source as a module: cached bytecode may be stale if size and second of change are the same."""
    if path.suffix != ".py":
        raise UserError(f"{path}: must be a Python file, whose name ends in .py.")
    module = ModuleType(f"perturb_own_{sha256[:16]}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    exec(compile(path.read_bytes(), path, "exec"), module.__dict__)
    return module


def _check(path: Path, truth: GroundTruth) -> None:
    """Check the rules that the rest of the library relies on, using the first and the last image."""
    name = type(truth).__name__
    if not isinstance(getattr(truth, "grid", None), FactorGrid):
        raise UserError(f"{path}: {name}.grid must be a perturb.datasets.FactorGrid.")
    if len(truth.grid.names) != len(truth.grid.sizes) or min(truth.grid.sizes, default=0) < 2:
        raise UserError(f"{path}: {name}.grid must name every factor, and each must take 2 values or more.")
    lengths = tuple(len(values) for values in truth.factor_values)
    if lengths != truth.grid.sizes:
        raise UserError(f"{path}: {name}.factor_values must have {truth.grid.sizes} values, got {lengths}.")
    numbers = np.array([0, truth.grid.num_images - 1])
    images, wanted = truth.images(numbers), (2, *truth.image_shape)
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.shape != wanted:
        given = f"{images.dtype} {images.shape}" if isinstance(images, np.ndarray) else type(images).__name__
        raise UserError(f"{path}: {name}.images of two numbers must return uint8 {wanted}, got {given}.")
