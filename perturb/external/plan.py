"""The runs of an evaluation, and what identifies each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, JsonValue

from perturb.analysis.factor_directions import Held
from perturb.config import MetricsConfig
from perturb.config.section import Section
from perturb.errors import UserError
from perturb.external.dataset import BenchmarkImages
from perturb.metrics import check_names
from perturb.random.seeds import child_seed
from perturb.runs import RunSpec
from perturb.statistics.scores import BASELINE
from perturb.variants import VariantPattern

KIND = "outside"
VERSION = 1
"""Version of how external models are run and scored; raised by hand when the same model would get different scores."""
Way = Literal["train", "encoder", "codes"]
"""`train`: the model is trained here. `encoder`: it is already trained. `codes`: only its codes are given."""


class Training(Section):
    """Settings of perturb's training loop for a module with a loss: Adam, batches drawn uniformly with replacement."""

    steps: int = Field(default=10_000, ge=1)
    """Number of updates."""
    batch_size: int = Field(default=64, ge=1)
    """Images in a batch."""
    learning_rate: float = Field(default=1e-4, gt=0)
    """Adam's learning rate (betas 0.9 and 0.999, eps 1e-8)."""
    device: str | None = None
    """A torch device; None: cuda if available."""


class ExternalRun(Section):
    """One run: everything that its scores depend on, and nothing else."""

    way: Way
    model: str
    """Stable identifier of the model factory, or of the folder of codes."""
    code_sha256: str | None
    """SHA-256 of the file that defines the model, or of the codes."""
    state_sha256: str | None
    """SHA-256 of the state that a factory given as an object carries."""
    model_settings: dict[str, JsonValue]
    """The model's own `settings`."""
    variant: str
    draw: int
    """Number of the pattern."""
    images_sha256: str
    number: int
    """Number of the seed."""
    seed: int
    """Seed passed to the training."""
    metrics: tuple[str, ...]
    settings: MetricsConfig
    scores_seed: int
    training: Training


@dataclass(frozen=True, kw_only=True)
class ExternalResult:
    """The scores of one run of a model, or why it has none."""

    scores: dict[str, float] | None
    """Score by metric, without refused metrics; None for a failed run."""
    details: dict[str, dict[str, float]] | None
    """Every value that each metric returns, by name; None for a failed run."""
    failure: str | None = None
    traceback: str | None = None
    """Traceback of the exception that the model raised; None for any other failure."""
    refused: dict[str, str] = field(default_factory=dict[str, str])
    """The reason for each metric that is not defined for the codes or could not be computed, by metric."""
    seconds: float = 0.0
    """Seconds of training and encoding, in a process of their own; scoring is not included."""
    without_axes: str | None = None
    """The reason why a run on the originals stored no codes to measure other images in their axes, if it stored none."""
    factors: dict[str, Held] | None = None
    """The way in which the codes hold each factor; None if this could not be measured."""


@dataclass(frozen=True)
class Asked:
    """The request of an evaluation: the model, the benchmark and the settings."""

    way: Way
    model: str
    """Stable identifier of the model factory, or of the folder of codes."""
    variants: tuple[str, ...]
    seeds: tuple[int, ...]
    """Numbers of the seeds."""
    metrics: tuple[str, ...]
    settings: MetricsConfig
    seed: int
    training: Training


def checked(asked: Asked) -> Asked:
    """Return the request unchanged if it is valid.

    Raises:
        UserError: a metric is unknown, the original is not among the variants, or there is no seed.

    """
    check_names(asked.metrics)
    if not asked.metrics:
        raise UserError("metrics must name one or more.")
    if not asked.variants or asked.variants[0] != BASELINE or len(set(asked.variants)) < len(asked.variants):
        raise UserError(
            f"variants must begin with {BASELINE}, which the others are compared with, and name each once; got "
            f"{', '.join(asked.variants) or 'none'}."
        )
    if not asked.seeds:
        raise UserError("seeds must be 1 or more.")
    return asked


def training_seed(seed: int, number: int) -> int:
    """Return the seed passed to `fit`: the one that the built-in methods get in an experiment with the same seed."""
    return child_seed(seed, "evaluation", number)


def scores_seed(seed: int) -> int:
    """Return the seed of the metrics' draws, the same as in an experiment with the same seed."""
    return child_seed(child_seed(seed, "scores"), "scores")


def plan_runs(
    asked: Asked,
    images: Mapping[VariantPattern, BenchmarkImages],
    code_sha256: str | dict[tuple[str, int], str] | None,
    state_sha256: str | None,
    model_settings: dict[str, Any],
) -> dict[tuple[str, int], RunSpec]:
    """Return every run by variant and seed number, with all variants of a seed before the next seed.

    Args:
        asked: the request.
        images: images by variant and pattern; of a variant's n patterns, seed k trains on number k mod n in this order.
        code_sha256: SHA-256 of the model's file, or of every file of codes.
        state_sha256: SHA-256 of the state of a factory given as an object.
        model_settings: the model's own `settings`.

    """
    runs = {}
    for number in asked.seeds:
        for variant in asked.variants:
            patterns = [column for column in images if column.variant == variant]
            column = patterns[number % len(patterns)]
            config = ExternalRun(
                way=asked.way,
                model=asked.model,
                code_sha256=code_sha256[variant, number] if isinstance(code_sha256, dict) else code_sha256,
                state_sha256=state_sha256,
                model_settings=model_settings,
                variant=variant,
                draw=column.pattern,
                images_sha256=images[column].sha256,
                number=number,
                seed=training_seed(asked.seed, number),
                metrics=asked.metrics,
                settings=asked.settings,
                scores_seed=scores_seed(asked.seed),
                training=asked.training,
            )
            label = column.name if asked.way == "encoder" else f"{column.name}, seed {number}"
            runs[variant, number] = RunSpec(kind=KIND, version=VERSION, config=config, label=label)
    return runs


def codes_in(folder: Path, variants: Sequence[str]) -> dict[tuple[str, int], Path]:
    """Return files of codes by variant and seed number: `<variant>.npz`, or `<variant>-<seed>.npz` for several seeds.

    Raises:
        UserError: a variant has no codes, or variants have different seeds.

    """
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder; name one with original.npz, modified.npz and so on.")
    found = {}
    for variant in variants:
        for path in sorted(folder.glob(f"{variant}*.npz")):
            number = path.stem.removeprefix(variant).removeprefix("-") or "0"
            if number.isdecimal():
                found[variant, int(number)] = path
    seeds = {variant: sorted(number for other, number in found if other == variant) for variant in variants}
    for variant in variants:
        if not seeds[variant]:
            raise UserError(f"{folder} has no codes of the variant {variant}; save them as {variant}.npz.")
        if seeds[variant] != seeds[variants[0]]:
            raise UserError(
                f"{folder}: every variant must have codes of the same seeds; {variants[0]} has {seeds[variants[0]]}, "
                f"{variant} has {seeds[variant]}."
            )
    return found
