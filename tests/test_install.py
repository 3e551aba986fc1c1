"""An installed perturb works from any folder."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(sys.executable).parent / "perturb"


def test_the_command_runs_from_any_folder(tmp_path: Path) -> None:
    found = subprocess.run([SCRIPT, "--help"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert "run" in found.stdout
    assert list(tmp_path.iterdir()) == []


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
