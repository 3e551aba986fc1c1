"""The rows of an experiment as entries: what anybody's model is held against on a leaderboard."""

import inspect
from collections.abc import Iterator

from perturb.benchmark.recipe import read_recipe
from perturb.config import MethodConfig
from perturb.datasets.hdf5.schema import RECIPE
from perturb.entries.entry import DatasetOfEntry, Entry, FileHash, Run, metrics_of
from perturb.machine import software_versions
from perturb.manifests import run_file
from perturb.report.findings import Findings


def entries(findings: Findings) -> Iterator[Entry]:
    """An entry a method."""
    config = findings.config
    for method in config.evaluation.methods:
        training = method.training or config.training
        yield Entry(
            model=method.name,
            method=(inspect.getdoc(type(method.objective)) or method.name).splitlines()[0],
            settings={"objective": method.objective.model_dump(mode="json"), "training": training.model_dump(mode="json")},
            how="pipeline",
            dataset=DatasetOfEntry(
                name=config.name,
                ground_truth=config.dataset.name,
                epsilon=config.largest_epsilon,
                files=tuple(_files(findings, method)),
            ),
            seed=config.seed,
            seeds=tuple(config.evaluation.seeds_of(method)),
            metrics=metrics_of(config.evaluation.metrics, config.metrics),
            runs=tuple(_runs(findings, method)),
            versions=software_versions(),
        )


def file_name(number: int, method: str) -> str:
    """`01-AE.json`: the number keeps the tables' order and names apart; letters and digits of any script stay."""
    return f"{number + 1:02d}-{''.join(letter if letter.isalnum() else '-' for letter in method)}.json"


def _files(findings: Findings, method: MethodConfig) -> Iterator[FileHash]:
    """Hashes of every variant and pattern that the method was trained on."""
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
            yield Run(
                variant=score.variant,
                draw=score.draw,
                seed=score.seed,
                scores=dict(score.values) if score.values is not None else None,
                failure=score.failure,
                over_pruned=score.over_pruned,
            )
