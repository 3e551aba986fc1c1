"""The architecture: which package may import which."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ORDER = (
    "escapes", "errors", "reading", "names", "files", "proofs", "locks", "supervisor", "machine", "variants", "config",
    "random", "progress", "manifests", "mending", "runs", "datasets", "models", "metrics", "objectives", "training",
    "statistics", "perturbation", "analysis", "benchmark", "distribution", "entries", "report", "experiment", "execution",
    "external", "instruments", "outside", "cli",
)  # fmt: skip
"""Packages and top-level modules from top to bottom. A module imports only from its own package and those above it."""
MODULES = sorted(path.relative_to(ROOT).with_suffix("") for path in (ROOT / "perturb").rglob("*.py"))


def _imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}


def _room(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "perturb" and len(parts) > 1 else None


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_modules_import_only_from_their_own_package_and_those_above(module: Path) -> None:
    if len(module.parts) == 2 and module.name == "__init__":
        return  # it imports only for type checkers; test_public_names.py checks that it loads nothing
    own = ORDER.index(module.parts[1])
    rooms = {_room(name) for name in _imports(ROOT / module.with_suffix(".py"))} - {None}
    below = {room for room in rooms if ORDER.index(room) > own}
    assert not below, f"{module} imports from {below}, which are below it"


def test_every_package_is_in_the_order() -> None:
    rooms = {module.parts[1] for module in MODULES} - {"__init__"}
    assert rooms == set(ORDER)


def test_the_library_imports_without_prefect_and_the_flows() -> None:
    names = [".".join(module.parts).removesuffix(".__init__") for module in MODULES]
    code = (
        "import sys, importlib\n"
        "sys.modules['prefect'] = sys.modules['perturb_flows'] = None\n"
        f"[importlib.import_module(name) for name in {names!r}]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_the_config_package_does_not_import_torch() -> None:
    subprocess.run(
        [sys.executable, "-c", "import perturb.config, sys; assert 'torch' not in sys.modules"], check=True, timeout=60
    )


def test_only_the_seeding_module_seeds_global_generators() -> None:
    forbidden = (
        "torch.manual_seed",
        "np.random.seed",
        "random.seed(",
        "np.random.rand",
        "np.random.normal",
        "np.random.uniform",
    )
    for module in set(MODULES) - {Path("perturb/random/seeds")}:
        text = (ROOT / module.with_suffix(".py")).read_text(encoding="utf-8")
        found = [name for name in forbidden if name in text]
        assert not found, f"{module}: {found}"


def test_files_and_functions_stay_small() -> None:
    for path in [*(ROOT / "perturb").rglob("*.py"), *(ROOT / "flows").rglob("*.py")]:
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 330, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno <= 65, f"{path}: {node.name}"


def test_docstrings_do_not_start_with_a_fragment() -> None:
    fragments = "As", "By", "For", "How", "If", "None", "Of", "What", "When", "Where", "Whether", "Which", "Why"
    for path in [*(ROOT / "perturb").rglob("*.py"), *(ROOT / "flows").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
                first, *rest = node.value.value.split() or [""]
                assert first not in fragments, f"{path}:{node.lineno}: {first} {' '.join(rest[:8])}"
