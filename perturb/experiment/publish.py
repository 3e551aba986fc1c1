"""An experiment's results outside its run directories: where a person looks for them, and where they can be committed."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from perturb.benchmark.recipe import read_recipe, weights_of
from perturb.benchmark.saved_files import FileResult
from perturb.config.loading import config_hash
from perturb.datasets.hdf5.schema import RECIPE
from perturb.experiment.plan import Plan
from perturb.files import atomic_write, read_json, sha256_of, write_json
from perturb.manifests import read_manifest, run_file
from perturb.report.build import ROWS, report_files
from perturb.runs import Store

RESULTS, INDEX = "results.json", "index.json"


def publish_results(plan: Plan, store: Store) -> Path:
    """Copy the report to artifacts/results/<name>-<hash>/ and write results.json beside it, last; its path.

    `files` lists the report's and the benchmark's files with absolute paths: HDF5 files stay in their run directories.
    """
    config = plan.config
    folder = store.root / "results" / f"{config.name}-{config_hash(config)[:8]}"
    report = store.path(plan.report)
    listed: list[Mapping[str, object]] = []
    for name in report_files(report):
        sha256 = _copied(report / name, folder, name)["sha256"]
        listed.append({"name": name, "path": str(folder / name), "sha256": sha256})
    for column, spec in plan.files.items():
        if column.variant in config.alternatives:
            continue  # its files are of the variant modified too, and would be taken for patterns of m_ψ
        hashes = store.result(spec, FileResult).files
        listed += [{"name": n, "path": str(store.path(spec) / n), "sha256": sha256} for n, sha256 in hashes.items()]
    write_json(folder / RESULTS, read_json(run_file(report, ROWS)) | {"files": listed})
    return folder / RESULTS


def publish_experiment(plan: Plan, store: Store, folder: Path, *, command: str, patterns: int | None = None) -> Path:
    """Copy the report, and the recipes and weights of the files, into a folder; its index.json, written last.

    Benchmark files are not copied: `perturb dataset build` makes them from their recipes.

    Args:
        plan: finished.
        store: where its runs are.
        folder: made when it is not there; files of the same names are replaced, others stay.
        command: that made the experiment, for the index.
        patterns: of each variant, at most; None: all.

    Raises:
        UserError: the folder cannot be written to.

    """
    report = store.path(plan.report)
    files = [(report / name, name, command) for name in report_files(report)]
    files += list(_recipes(plan, store, patterns))
    listed = [_copied(source, folder, name) | {"command": made_by} for source, name, made_by in files]
    manifest = read_manifest(report)
    index = {
        "experiment": plan.config.name,
        "config_hash": config_hash(plan.config),
        "command": command,
        "made_with": manifest["built"],
        "files": sorted(listed, key=lambda entry: entry["name"]),
    }
    write_json(folder / INDEX, index)
    return folder / INDEX


def _recipes(plan: Plan, store: Store, patterns: int | None) -> Iterator[tuple[Path, str, str]]:
    """Recipe and weights of every file: where they are, what they are called, what they are good for."""
    for column, spec in plan.files.items():
        if patterns is not None and column.pattern >= patterns:
            continue
        recipe = run_file(store.path(spec), f"*{RECIPE}")
        name = f"{column.name}{RECIPE}"
        build = f"perturb dataset build {name} --out {column.name}.h5"
        yield recipe, name, build
        if read_recipe(recipe).recipe.network is not None:
            yield run_file(store.path(spec), weights_of(recipe).name), weights_of(Path(name)).name, build


def _copied(source: Path, folder: Path, name: str) -> dict[str, str | int]:
    target = folder / name
    with atomic_write(target) as part:
        shutil.copyfile(source, part)
    return {"name": name, "bytes": target.stat().st_size, "sha256": sha256_of(target)}
