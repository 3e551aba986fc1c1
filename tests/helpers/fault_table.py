"""docs/faults.md: what is proven to happen when something goes wrong, in the words of the tests that prove it.

`python tests/helpers/fault_table.py` writes it; a test holds it against the tests that are there.
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "faults.md"
KINDS = {
    "Wrong numbers": [
        "tests/metrics/test_rows.py",
        "tests/test_proofs.py",
        "tests/test_mending.py",
        "tests/external/test_cached.py",
    ],
    "Lost work": ["tests/flows/test_interrupts.py", "tests/flows/test_faults.py", "tests/execution/test_workers.py"],
    "Files and input of others": [
        "tests/test_reading.py",
        "tests/metrics/test_codes_file.py",
        "tests/test_names.py",
        "tests/test_escapes.py",
        "tests/fuzz/test_fuzz.py",
    ],
    "Where results go": ["tests/test_files.py", "tests/cli/test_places.py", "tests/test_locks.py"],
    "Downloads": [
        "tests/distribution/test_http.py",
        "tests/distribution/test_budget.py",
        "tests/distribution/test_fetch.py",
    ],
    "Models of others": [
        "tests/external/test_evaluate.py",
        "tests/external/test_sandbox.py",
        "tests/external/test_fork_server.py",
        "tests/external/test_output.py",
        "tests/test_supervisor.py",
    ],
}
"""Files of tests by the kind of fault that they are about."""
WORDS = {
    "ones own": "one's own", "users error": "user's error", "users code": "user's code", "pythons": "Python's",
    "ctrl c": "Ctrl-C", "python": "Python", "prefect": "Prefect", "json": "JSON", "hdf5": "HDF5", "toml": "TOML",
    "csv": "CSV", "markdown": "Markdown",
}  # fmt: skip
"""Words as the names of functions cannot have them."""
HEAD = """\
# Faults

Written by `python tests/helpers/fault_table.py` from the names of tests. Each line is what a test proves. Mutants of valid
files are tried in `make test` too, the same ones each time; `PERTURB_FUZZ=10 python -m pytest tests/fuzz` tries ten times
as many.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for kind, files in KINDS.items():
        parts.append(f"## {kind}\n")
        for file in files:
            parts += [f"- {_sentence(name)}" for name in _tests(ROOT / file)]
            parts += ["", f"([{file}](../{file}))", ""]
    return "\n".join(parts)


def _tests(path: Path) -> list[str]:
    """Names of a file's tests, without the prefix."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [name.removeprefix("test_") for name in names if name.startswith("test_")]


def _sentence(name: str) -> str:
    text = name.replace("_", " ")
    for word, written in WORDS.items():
        text = re.sub(rf"\b{word}\b", written, text)
    return text[0].upper() + text[1:]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
