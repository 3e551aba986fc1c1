"""The results of an experiment where a person looks for them: artifacts/results/<name>-<hash>/."""

import shutil
from pathlib import Path

from perturb.benchmark.saved_files import FileResult
from perturb.config.loading import config_hash
from perturb.experiment.plan import Plan
from perturb.files import atomic_write, read_json, sha256_of, write_json
from perturb.report.build import report_files
from perturb.runs import Store

RESULTS = "results.json"


def publish_results(plan: Plan, store: Store) -> Path:
    """Copy the report out of its run directory and write results.json beside it, last; its path.

    `files` lists the report's and the benchmark's files with absolute paths: HDF5 files stay in their run directories.
    """
    config = plan.config
    folder = store.root / "results" / f"{config.name}-{config_hash(config)[:8]}"
    report = store.path(plan.report)
    listed: list[dict[str, str]] = []
    for name in report_files(report):
        with atomic_write(folder / name) as part:
            shutil.copyfile(report / name, part)
        listed.append(_entry(name, folder / name))
    for column, spec in plan.files.items():
        if column.variant in config.alternatives:
            continue  # its files are of the variant modified too, and would be taken for patterns of m_ψ
        hashes = store.result(spec, FileResult).files
        listed += [{"name": n, "path": str(store.path(spec) / n), "sha256": sha256} for n, sha256 in hashes.items()]
    write_json(folder / RESULTS, read_json(report / "rows.json") | {"files": listed})
    return folder / RESULTS


def _entry(name: str, path: Path) -> dict[str, str]:
    return {"name": name, "path": str(path), "sha256": sha256_of(path)}
