"""Copies of an experiment's results outside its run directories, for people to read and to commit."""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from perturb.benchmark.recipe import Published, read_recipe, weights_of
from perturb.benchmark.saved_files import FileResult
from perturb.config.loading import config_hash
from perturb.datasets import grid_of
from perturb.datasets.hdf5.schema import RECIPE
from perturb.distribution.index import INDEX, Entry, Index, Listed, Made, Origin, asked_by, listed_in
from perturb.experiment.plan import Plan
from perturb.files import atomic_write, read_json, sha256_of, write_json, write_text
from perturb.manifests import read_manifest, run_file
from perturb.report.build import PAGE, ROWS, report_files
from perturb.report.foot import Making, with_foot
from perturb.runs import RunSpec, Store

RESULTS = "results.json"


def publish_results(plan: Plan, store: Store, *, command: str = "") -> Path:
    """Copy the report to artifacts/results/<name>-<hash>/, write results.json beside it last, and return its path.

    Its key `files` lists the files of the report and of the benchmark with absolute paths. HDF5 files stay in their run
    directories.

    Args:
        plan: a finished plan.
        store: where its runs are.
        command: that ran the experiment, for the page's foot line; empty: it is left out.

    """
    config = plan.config
    folder = store.root / "results" / f"{config.name}-{config_hash(config)[:8]}"
    report = store.path(plan.report)
    listed: list[Mapping[str, object]] = []
    _copy_report(plan, store, folder, command)
    for name in report_files(report):
        listed.append({"name": name, "path": str(folder / name), "sha256": sha256_of(folder / name)})
    for column, spec in plan.files.items():
        if column.variant in config.alternatives:
            continue  # its files have the variant modified as well, and would be mistaken for patterns of m_ψ
        hashes = store.result(spec, FileResult).files
        listed += [{"name": n, "path": str(store.path(spec) / n), "sha256": sha256} for n, sha256 in hashes.items()]
    write_json(folder / RESULTS, read_json(run_file(report, ROWS)) | {"files": listed})
    return folder / RESULTS


def publish_experiment(plan: Plan, store: Store, folder: Path, *, command: str, patterns: int | None = None) -> Path:
    """Copy the report, and the recipes and weights of the files, into a folder, and return its index.json, written last.

    Benchmark files are not copied: `perturb dataset build` makes them from their recipes.

    Args:
        plan: a finished plan.
        store: where its runs are.
        folder: created if missing. Files of the same names are replaced, others stay.
        command: that ran the experiment, for the index.
        patterns: maximum number of patterns per variant; None: all.

    Raises:
        UserError: the folder cannot be written to.

    """
    report = store.path(plan.report)
    shown = sorted(report_files(report))
    _copy_report(plan, store, folder, command)
    index = Index(
        origin=Origin(
            experiment=plan.config.name,
            config_hash=config_hash(plan.config),
            command=command,
            made_with=read_manifest(report)["built"],
        ),
        entries=list(_entries(plan, store, folder, patterns)),
        others=[Made(**listed_in(folder, folder / name), command=command) for name in shown],
    )
    write_json(folder / INDEX, index.model_dump(mode="json"))
    return folder / INDEX


def _copy_report(plan: Plan, store: Store, folder: Path, command: str) -> None:
    """Copy the files of a report, and add the foot line to its page."""
    report = store.path(plan.report)
    for name in report_files(report):
        if name == PAGE:
            page = (report / name).read_text(encoding="utf-8")
            write_text(folder / name, with_foot(page, _making(plan, store, command)))
        else:
            _copied(report / name, folder, name)


def _making(plan: Plan, store: Store, command: str) -> Making:
    """Collect from the manifests how a report and all runs behind it were made."""
    runs = _with_inputs([spec for stage in plan.stages for spec in stage.runs])
    built = [read_manifest(store.path(run))["built"] for run in runs.values()]
    own = read_manifest(store.path(plan.report))["built"]
    return Making(
        version=own["perturb"],
        config_hash=config_hash(plan.config),
        # Manifests of perturb 0.2 and before have neither threads, date nor machine.
        hours=sum(made["seconds"] * made.get("threads", 1) for made in built) / 3600,
        runs=len(runs),
        commit=own.get("commit", ""),
        date=own.get("date", ""),
        machine=own.get("machine", ""),
        devices=sorted({made["device"] for made in built}),
        command=command,
    )


def _with_inputs(specs: Iterable[RunSpec]) -> dict[str, RunSpec]:
    """Return runs and all their inputs by id: a training is in no stage itself, but an input of its scores."""
    runs: dict[str, RunSpec] = {}
    for spec in specs:
        if spec.id not in runs:
            runs |= {spec.id: spec} | _with_inputs(spec.inputs.values())
    return runs


def _entries(plan: Plan, store: Store, folder: Path, patterns: int | None) -> Iterator[Entry]:
    """Copy the recipe and the weights of every file, and yield its entry."""
    images = grid_of(plan.config.dataset).num_images
    for column, spec in plan.files.items():
        if patterns is not None and column.pattern >= patterns:
            continue
        source = run_file(store.path(spec), f"*{RECIPE}")
        published, target = read_recipe(source), folder / f"{column.name}{RECIPE}"
        copied = [(source, target)]
        if published.recipe.network is not None:
            copied.append((run_file(store.path(spec), weights_of(source).name), weights_of(target)))
        for file, copy in copied:
            _copied(file, folder, copy.name)
        size = run_file(store.path(spec), "*.h5").stat().st_size
        yield entry_of_recipe(published, target, images=images, size=size, seconds=store.seconds(spec))


def entry_of_recipe(published: Published, path: Path, *, images: int, size: int, seconds: float) -> Entry:
    """Return the index entry of a benchmark file that is published by its recipe alone.

    Args:
        published: the recipe.
        path: of the recipe, `<variant>.recipe.json` in the folder of the index, with its weights beside it.
        images: number of images in the file.
        size: of the file, in bytes.
        seconds: time that it took to make and verify the file.

    """
    recipe, weights = published.recipe, weights_of(path)
    parts = [path, *([weights] if recipe.network is not None else [])]
    return Entry(
        bytes=size,
        sha256=published.sha256,
        seconds=seconds,
        name=asked_by(recipe.dataset, path.name.removesuffix(RECIPE)),
        dataset=recipe.dataset,
        variant=recipe.variant,
        epsilon=recipe.epsilon,
        images=images,
        recipe=[Listed(**listed_in(path.parent, part)) for part in parts],
    )


def _copied(source: Path, folder: Path, name: str) -> dict[str, str | int]:
    target = folder / name
    with atomic_write(target) as part:
        shutil.copyfile(source, part)
    return {"name": name, "bytes": target.stat().st_size, "sha256": sha256_of(target)}
