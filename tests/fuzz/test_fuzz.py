"""Fuzz tests of every kind of file that users supply: a command succeeds, or says in one line why it cannot.

They try about 2,800 mutants, the same ones each time. PERTURB_FUZZ=20 tries twenty times as many.
"""

import contextlib
import functools
import io
import json
import os
import resource
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import typer.main
from mutants import Mutator, mutants, of_hdf5, of_json, of_npz, of_toml, written
from small_entries import entry_as_json
from small_files import SmallSprites, write_small_file

from perturb.benchmark.recipe import network_of, read_recipe
from perturb.cli import main
from perturb.datasets import Mini
from perturb.distribution.index import write_index
from perturb.entries.packaged import published_folder
from perturb.errors import UserError
from perturb.files import sha256_of

TIMES = int(os.environ.get("PERTURB_FUZZ", "1"))
MOST_SECONDS, MOST_KILOBYTES = 20, 1_500_000
"""Time limit per command on a mutant, and the limit on memory growth over all mutants of a kind."""


@dataclass(frozen=True)
class Kind:
    """Mutants of one kind of file, and the commands that read it."""

    name: str
    """File name of each mutant."""
    number: int
    structured: Mutator | None
    seeds: Callable[[Path], list[bytes]]
    commands: tuple[tuple[str, ...], ...]
    """Arguments of each command. FILE, FOLDER and OUT stand for the mutant, its folder and the path for output."""


def _codes(folder: Path) -> list[bytes]:
    rng, found = np.random.default_rng(0), []
    for factors in (rng.integers(3, size=(60, 2)), np.stack(np.unravel_index(np.arange(12), (3, 4)), axis=1)):
        packed = io.BytesIO()
        np.savez_compressed(packed, codes=rng.normal(size=(len(factors), 3)).astype("f4"), factors=factors)
        found.append(packed.getvalue())
    return found


def _benchmark_files(folder: Path) -> list[bytes]:
    return [write_small_file(folder / "seed.h5", SmallSprites(), "modified").read_bytes()]


def _configs(folder: Path) -> list[bytes]:
    configs = Path(__file__).parent.parent.parent / "configs"
    return [(configs / name).read_bytes() for name in ("quickstart.toml", "mini.toml", "shapes3d.toml")]


def _recipes(folder: Path) -> list[bytes]:
    return [(published_folder("mini") / f"{name}.recipe.json").read_bytes() for name in ("modified", "untrained-2")]


def _entries(folder: Path) -> list[bytes]:
    published = next((published_folder("mini") / "entries").glob("*.json")).read_bytes()
    return [json.dumps(entry_as_json()).encode(), published]


def _indices(folder: Path) -> list[bytes]:
    (folder / "published").mkdir()
    write_small_file(folder / "published" / "modified.h5", SmallSprites(), "modified")
    write_index(folder / "published")
    return [(folder / "published" / "index.json").read_bytes()]


def _results(folder: Path) -> list[bytes]:
    row = {"method": "M", "variant": "original", "metric": "mig", "n": 2, "mean": 0.5, "std": 0.1}
    results = {
        "dataset": "mini", "epsilon": 0.1, "share": 0.2, "rows": [row], "comparisons": [],
        "provenance": {"config": "c0ffee"},
        "files": [{"name": "a.h5", "path": "a.h5", "sha256": "0" * 64}],
    }  # fmt: skip
    return [json.dumps(results).encode()]


KINDS = (
    Kind("a.npz", 700, of_npz, _codes, (("score", "FILE", "--metrics", "mig", "--json", "OUT"),)),
    Kind("a.h5", 250, of_hdf5, _benchmark_files, (("dataset", "info", "FILE"), ("dataset", "compare", "FILE", "FILE"))),
    Kind("a.toml", 500, of_toml, _configs, (("run", "FILE", "--until", "nothing", "--no-prefect", "--artifacts", "OUT"),)),
    Kind("a.recipe.json", 300, of_json, _recipes, (("dataset", "build", "FILE", "--out", "OUT"),)),
    Kind("a.json", 400, of_json, _entries, (("entry", "check", "FILE"),)),
    Kind("index.json", 300, of_json, _indices, (("dataset", "download", "all", "--from", "FOLDER", "--to", "OUT"),)),
    Kind(
        "results.json", 300, of_json, _results,
        (("dataset", "publish", "FILE", "--out", "OUT"), ("epsilon", "FILE", "--out", "OUT", "--metric", "mig")),
    ),
)  # fmt: skip


@pytest.fixture(autouse=True)
def _commands_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Build the command tree only once: it takes longer than most mutants."""
    monkeypatch.setattr(typer.main, "get_command", functools.cache(typer.main.get_command))


def outcome(arguments: list[str]) -> tuple[int, str]:
    """Return the exit code and error output of a command. A traceback counts as exit code 1."""
    stderr = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(stderr):
        try:
            main(arguments)
            code = 0
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        except Exception:
            traceback.print_exc()
            code = 1
    return code, stderr.getvalue()


def _wrong(code: int, stderr: str, left: set[str]) -> str:
    """Return what is wrong with an outcome, or an empty string."""
    if code not in (0, 2):
        return f"exit code {code}"
    if code == 2 and (stderr.count("\n") != 1 or not stderr.startswith("perturb: ") or not stderr[:-1].isprintable()):
        return "not one printable line"
    return f"left {sorted(left)}" if code == 2 and left else ""


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.filterwarnings("ignore")
def test_mutated_files_are_read_or_refused_in_one_line(kind: Kind, tmp_path: Path) -> None:
    (tmp_path / "seeds").mkdir()
    seeds, found = kind.seeds(tmp_path / "seeds"), []
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number, content in enumerate(mutants(seeds, kind.structured, kind.number * TIMES, kind=kind.name)):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = written(folder, content, kind.name)
        for words in kind.commands:
            places = {"FILE": path, "FOLDER": folder, "OUT": folder / "out"}
            began = time.monotonic()
            code, stderr = outcome([str(places.get(word, word)) for word in words])
            left = {each.name for each in folder.rglob("*")} - {kind.name}
            wrong = _wrong(code, stderr, left) or (time.monotonic() - began > MOST_SECONDS and "too slow")
            if wrong:
                found.append(f"mutant {number}, {' '.join(words)}: {wrong}: {stderr[-300:]}")
            for each in left:
                (folder / each).is_file() and (folder / each).unlink()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    assert not found, f"{len(found)} findings:\n" + "\n".join(found[:20])
    assert grown < MOST_KILOBYTES


@pytest.mark.filterwarnings("ignore")
def test_mutated_weights_are_read_or_refused(tmp_path: Path) -> None:
    recipe, refused = read_recipe(published_folder("mini") / "modified.recipe.json").recipe, []
    assert recipe.network is not None
    seeds = [(published_folder("mini") / "modified.safetensors").read_bytes()]
    for content in mutants(seeds, None, 60 * TIMES, kind="weights"):
        path = written(tmp_path, content, "a.safetensors")
        try:
            network_of(recipe.network.model_copy(update={"sha256": sha256_of(path)}), path, Mini())
        except UserError as error:
            refused.append(str(error))
    assert refused
    assert all(message.startswith(f"{path}: does not hold the network of its recipe (") for message in refused)
