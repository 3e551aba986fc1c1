"""Generate docs/faults.md, the list of tested failure cases, from the names of the tests.

Run `python tests/helpers/fault_table.py` after you add or rename a test in one of the files below. tests/test_docs.py fails
if the page is out of date.
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
    "Untrusted files and input": [
        "tests/test_reading.py",
        "tests/metrics/test_codes_file.py",
        "tests/test_names.py",
        "tests/test_escapes.py",
        "tests/fuzz/test_fuzz.py",
    ],
    "Writing results": ["tests/test_files.py", "tests/cli/test_places.py", "tests/test_locks.py"],
    "Downloads": [
        "tests/distribution/test_http.py",
        "tests/distribution/test_budget.py",
        "tests/distribution/test_fetch.py",
    ],
    "User-supplied models": [
        "tests/external/test_evaluate.py",
        "tests/external/test_hostile_models.py",
        "tests/external/test_sandbox.py",
        "tests/external/test_fork_server.py",
        "tests/external/test_output.py",
        "tests/test_supervisor.py",
    ],
}
"""Test files by the kind of fault that they cover."""
WORDS = {
    "users code": "user's code", "originals code": "original's code", "entrys path": "entry's path",
    "pythons": "Python's", "python": "Python", "prefect yaml": "prefect.yaml", "prefect": "Prefect", "ctrl c": "Ctrl-C",
    "built in": "built-in", "held out": "held-out", "chance level": "chance-level", "utf 8": "UTF-8", "sha256": "SHA-256",
    "nan": "NaN", "etags": "ETags", "https": "HTTPS", "http": "HTTP",
    "netrc": ".netrc", "json": "JSON", "hdf5": "HDF5", "csv": "CSV", "png": "PNG", "npz": ".npz",
    "markdown": "Markdown", "greek": "Greek",
}  # fmt: skip
"""Spellings that function names cannot have. If one key begins with another, the longer one comes first."""
HEAD = """\
# Faults

What happens when something goes wrong. Each line is the name of a test, and says what that test proves.
`python tests/helpers/fault_table.py` generates this page from those names.

`make test` also runs the fuzz tests, which read mutated copies of valid files. They use the same mutants every time;
`PERTURB_FUZZ=10 python -m pytest tests/fuzz` tries ten times as many.
"""


def page() -> str:
    """Return the text of the page."""
    parts = [HEAD]
    for kind, files in KINDS.items():
        parts.append(f"## {kind}\n")
        for file in files:
            parts += [f"- {_sentence(name)}" for name in _tests(ROOT / file)]
            parts += ["", f"([{file}](../{file}))", ""]
    return "\n".join(parts)


def _tests(path: Path) -> list[str]:
    """Return the names of a file's tests without the prefix `test_`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [name.removeprefix("test_") for name in names if name.startswith("test_")]


def _sentence(name: str) -> str:
    text = re.sub(rf"\b({'|'.join(WORDS)})\b", lambda word: WORDS[word[0]], name.replace("_", " "))
    return text[0].upper() + text[1:]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
