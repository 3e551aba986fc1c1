"""An installed perturb works from any folder."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

SCRIPT = Path(sys.executable).parent / "perturb"
NOT_BUILT = ".git", ".venv", "build", "site", "runs", "results", "scratch", "*.egg-info", "__pycache__"


def test_the_command_runs_from_any_folder(tmp_path: Path) -> None:
    found = subprocess.run([SCRIPT, "--help"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert "run" in found.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_wheel_works_without_the_repository(tmp_path: Path) -> None:
    run = {"check": True, "timeout": 600, "capture_output": True, "text": True}
    source, wheels, environment = tmp_path / "source", tmp_path / "wheels", tmp_path / "environment"
    # A build leaves files in its folder, and takes old ones that it finds there.
    shutil.copytree(Path(__file__).parent.parent, source, ignore=shutil.ignore_patterns(*NOT_BUILT))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", wheels, source], cwd=tmp_path, **run)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], **run)
    python = environment / "bin" / "python"
    subprocess.run([*pip, "--python", python, "install", "--no-deps", *wheels.glob("perturb-*.whl")], **run)
    # Its dependencies are those of the tests. A path in a .pth file does not bring along the editable perturb there.
    (site,) = environment.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    code = (
        "import perturb; data = perturb.load_benchmark('mini', 'modified'); "
        "print(perturb.__file__, len(data), tuple(data[0][0].shape))"
    )
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    clean["PERTURB_CACHE"] = str(tmp_path / "cache")
    told = subprocess.run([python, "-c", code], cwd=tmp_path, env=clean, **run).stdout.strip()
    assert told == f"{site / 'perturb' / '__init__.py'} 4096 (3, 32, 32)"
    listed = subprocess.run([environment / "bin" / "perturb", "dataset", "list"], cwd=tmp_path, env=clean, **run).stdout
    assert "shapes3d" in listed


def test_the_flows_are_not_installed_under_a_generic_name(tmp_path: Path) -> None:
    code = "import importlib.util as u; assert u.find_spec('perturb_flows'); assert u.find_spec('flows') is None"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, timeout=60, check=True)


def test_every_package_folder_is_declared() -> None:
    import tomllib

    root = Path(__file__).parent.parent
    declared = set(tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    folders = {".".join(path.parent.relative_to(root).parts) for path in (root / "perturb").rglob("__init__.py")}
    assert declared == folders | {"perturb_flows", "perturb.entries.published"}


def test_every_data_file_is_declared() -> None:
    import tomllib

    root = Path(__file__).parent.parent
    globs = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    declared = {path for package, patterns in globs.items() for glob in patterns for path in
                (root / package.replace(".", "/")).glob(glob)}  # fmt: skip
    there = {path for ending in ("*.j2", "py.typed") for path in (root / "perturb").rglob(ending)}
    assert len(there) == 4
    assert there <= declared


def test_locked_packages_have_a_hash_and_the_versions_in_the_constraints() -> None:
    import re

    root = Path(__file__).parent.parent
    pinned = {name.lower().replace("_", "-").replace(".", "-"): version for name, version in
              (line.split("==") for line in (root / "constraints.txt").read_text().split())}  # fmt: skip
    for name in ("run", "test"):
        locked = re.split(r"^(?=\S)", (root / "locks" / f"{name}.txt").read_text(), flags=re.MULTILINE)[1:]
        assert len(locked) > 30
        for entry in locked:
            package, version = re.match(r"([a-z0-9-]+)==([^\s;]+)", entry).groups()
            assert version == pinned[package], package
            assert "--hash=sha256:" in entry, package
