"""The rows of an experiment as leaderboard entries, which other models are compared with."""

import inspect
from collections.abc import Iterator

from perturb.benchmark.recipe import read_recipe
from perturb.config import ExperimentConfig, MethodConfig
from perturb.datasets import FactorGrid
from perturb.datasets.hdf5.schema import RECIPE
from perturb.entries.entry import (
    PENDING_HASH,
    PENDING_SCORE,
    DatasetOfEntry,
    Entry,
    FileHash,
    Run,
    as_user_error,
    metrics_of,
    require_readable,
)
from perturb.entries.factors import PENDING_FACTOR, factors_of_entry
from perturb.entries.packaged import benchmark_name
from perturb.machine import software_versions
from perturb.manifests import run_file
from perturb.names import one_line
from perturb.report.findings import Findings

LONGEST_FILE_NAME = 200
"""Maximum bytes of a method's name in its file name; file systems allow 255 in total."""


def entries(findings: Findings) -> Iterator[Entry]:
    """Yield one entry per method."""
    config = findings.config
    for method in config.evaluation.methods:
        yield _entry(config, method, tuple(_files(findings, method)), tuple(_runs(findings, method)))


def check_entries(config: ExperimentConfig, grid: FactorGrid) -> None:
    """Check before any run that an experiment's results can be written as entries.

    Raises:
        UserError: If a name, a seed or a number of runs is not allowed in an entry.

    """
    for method in config.evaluation.methods:
        with as_user_error(f"the results of {method.name}"):
            require_readable(_entry(config, method, *_pending(config, grid, method)))


def _entry(config: ExperimentConfig, method: MethodConfig, files: tuple[FileHash, ...], runs: tuple[Run, ...]) -> Entry:
    training = method.training or config.training
    return Entry(
        model=method.name,
        method=(inspect.getdoc(type(method.objective)) or method.name).splitlines()[0],
        settings={"objective": method.objective.model_dump(mode="json"), "training": training.model_dump(mode="json")},
        how="pipeline",
        dataset=DatasetOfEntry(
            name=_benchmark(config), ground_truth=config.dataset.name, epsilon=config.largest_epsilon, files=files
        ),
        seed=config.seed,
        seeds=tuple(config.evaluation.seeds_of(method)),
        metrics=metrics_of(config.evaluation.metrics, config.metrics),
        runs=runs,
        versions=software_versions(),
    )


def _benchmark(config: ExperimentConfig) -> str:
    """Return the name of the benchmark that scores are comparable within: the published one, or the experiment's own."""
    if config.published is None or config.published.benchmark is None:
        return config.name
    return benchmark_name(config.published.benchmark, other_originals=config.dataset.path is not None)


def _pending(
    config: ExperimentConfig, grid: FactorGrid, method: MethodConfig
) -> tuple[tuple[FileHash, ...], tuple[Run, ...]]:
    """Return files and runs as they will be, with the longest possible hashes and scores in place of the real ones."""
    met = {
        variant: [seed % config.draws(variant) for seed in config.evaluation.seeds_of(method)]
        for variant in config.evaluation.variants
    }
    factors = factors_of_entry(dict.fromkeys(grid.names, PENDING_FACTOR))
    scores: dict[str, float] = {metric: PENDING_SCORE for metric in config.evaluation.metrics}
    files = [
        FileHash(variant=variant, draw=draw, images_sha256=PENDING_HASH, recipe_sha256=PENDING_HASH)
        for variant, draws in met.items()
        for draw in dict.fromkeys(draws)
    ]
    runs = [
        Run(variant=variant, draw=draw, seed=seed, scores=scores, over_pruned=False, factors=factors)
        for variant, draws in met.items()
        for seed, draw in enumerate(draws)
    ]
    return tuple(files), tuple(runs)


def file_name(number: int, method: str) -> str:
    """Return a file name such as `01-AE.json`.

    The number keeps the tables' order and makes names unique. Letters and digits of any script are kept.
    """
    letters = "".join(letter if letter.isalnum() else "-" for letter in method)
    return f"{number + 1:02d}-{letters.encode()[:LONGEST_FILE_NAME].decode(errors='ignore')}.json"


def _files(findings: Findings, method: MethodConfig) -> Iterator[FileHash]:
    """Yield the hashes of every variant and pattern that the method was trained on."""
    met = len(findings.config.evaluation.seeds_of(method))
    for variant in findings.config.evaluation.variants:
        for draw, run in enumerate(findings.files(variant)[:met]):
            published = read_recipe(run_file(run, f"*{RECIPE}"))
            yield FileHash(
                variant=variant,
                draw=draw,
                images_sha256=published.images_sha256,
                recipe_sha256=published.recipe_sha256,
            )


def _runs(findings: Findings, method: MethodConfig) -> Iterator[Run]:
    for score in findings.scores:
        if score.method == method.name:
            held = findings.held.get((score.method, score.variant, score.seed))
            yield Run(
                variant=score.variant,
                draw=score.draw,
                seed=score.seed,
                scores=dict(score.values) if score.values is not None else None,
                failure=score.failure and one_line(score.failure),
                refused={name: one_line(reason) for name, reason in score.refused.items()},
                over_pruned=score.over_pruned,
                factors=factors_of_entry(held.factors if held else None),
            )
