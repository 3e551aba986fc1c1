"""Perturbed disentanglement benchmarks: does a model disentangle, or does it lean on the data?

The names below cover what most users need. `load_benchmark` returns the images of a variant as a torch Dataset;
`evaluate_model` trains and scores a model on every variant; `score` and `score_encoder` score codes and encoders; `Coded`
holds codes and their factors; `GroundTruth` and `FactorGrid` define a custom dataset.

Subpackages load lazily: importing this package imports none of them, and each name imports its own on first use.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for type checkers and editors; at run time each name is imported on first use
    from perturb.datasets import FactorGrid, GroundTruth
    from perturb.external import benchmark as evaluate_model
    from perturb.external import load_benchmark
    from perturb.metrics import Coded, score, score_encoder

__version__ = "0.3.0"

_PUBLIC = {
    "load_benchmark": ("perturb.external", "load_benchmark"),
    "evaluate_model": ("perturb.external", "benchmark"),
    "score": ("perturb.metrics", "score"),
    "score_encoder": ("perturb.metrics", "score_encoder"),
    "Coded": ("perturb.metrics", "Coded"),
    "GroundTruth": ("perturb.datasets", "GroundTruth"),
    "FactorGrid": ("perturb.datasets", "FactorGrid"),
}
"""Public names, each with its module and its name in that module."""
__all__ = [
    "Coded",
    "FactorGrid",
    "GroundTruth",
    "__version__",
    "evaluate_model",
    "load_benchmark",
    "score",
    "score_encoder",
]


def __getattr__(name: str) -> object:
    """Import a public name on its first use (PEP 562)."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'perturb' has no attribute {name!r}")
    module, attribute = _PUBLIC[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
