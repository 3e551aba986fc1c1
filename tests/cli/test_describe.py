"""`dataset info` shows any file as text, whatever its content."""

import io
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from rich.console import Console

from perturb.cli import main
from perturb.cli.describe import LONGEST_VALUE, datasets_as_json, described, described_as_json, metrics_as_json
from perturb.errors import UserError


def _shown(path: Path) -> str:
    console = Console(width=200, file=io.StringIO(), force_terminal=True, color_system=None)
    console.print(*described(str(path)))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_markup_and_escape_codes_are_shown_and_have_no_effect(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "[b]a.h5", "w") as file:
        file["[/nope]"] = np.zeros(3)
        file["\x1b[2J"] = np.zeros(3)
        file.attrs["markup"], file.attrs["[red]"] = "[/nope]", "plain"
        file.attrs["codes"] = "\x1b[31mred\x1b]0;title\x07\x1b]52;c;cHduZWQ=\x07\x9b"
        file.attrs["lines"] = "one\ntwo\r"
    shown = _shown(tmp_path / "[b]a.h5")
    for text in ("[b]a.h5", "[/nope]", "[red]", r"\x1b[2J", r"\x1b[31mred\x1b]0;title\x07", r"\x9b", r"one\ntwo\r"):
        assert text in "".join(shown.split())
    assert not {letter for letter in shown.replace("\n", "") if not letter.isprintable()}


def test_an_overlong_value_is_truncated(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["long"] = "x" * 60_000
    assert LONGEST_VALUE <= _shown(tmp_path / "a.h5").count("x") < LONGEST_VALUE + 200


def test_types_that_python_lacks_are_named_and_the_rest_is_shown(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        space = h5py.h5s.create_simple((4,))
        h5py.h5a.create(file.id, b"tm", h5py.h5t.UNIX_D32LE, space)
        h5py.h5d.create(file.id, b"times", h5py.h5t.UNIX_D32LE, space)
        file.attrs["plain"] = 1
    shown = _shown(tmp_path / "a.h5")
    assert shown.count("(cannot be shown)") == 2
    assert "plain" in shown


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = np.random.default_rng(0).random(1_000)
    (tmp_path / "a.h5").write_bytes((tmp_path / "a.h5").read_bytes()[:-500])
    with pytest.raises(UserError, match=r"a\.h5: cannot be read as HDF5 \(.*truncated"):
        described(str(tmp_path / "a.h5"))


def test_a_benchmark_is_described_with_the_files_that_can_be_built() -> None:
    assert len(described("smallnorb")) == 1
    dataset, made = described("mini")
    assert dataset.row_count == 4
    console = Console(width=200, file=io.StringIO(), color_system=None)
    console.print(made)
    assert isinstance(console.file, io.StringIO)
    lines = [line.split() for line in console.file.getvalue().splitlines()]
    (modified,) = [line for line in lines if line[:1] == ["mini-modified,"]]
    assert modified[1:5] == ["-2", "to", "-3", "0.25"]
    assert modified[6] in ("kB", "MB")


@pytest.mark.parametrize(
    "words",
    [
        ["dataset", "list"], ["dataset", "info", "shapes3d"], ["dataset", "info", "synthetic_linear"], ["metrics"],
        ["analyse", "precision-budget", "--seeds", "2"], ["score", "codes.npz"],
    ],
)  # fmt: skip
def test_commands_that_print_tables_also_print_json(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    np.savez("codes.npz", codes=rng.normal(size=(200, 2)), factors=rng.integers(3, size=(200, 2)))
    for place in ("-", "out.json"):
        with pytest.raises(SystemExit) as end:
            main([*words, "--json", place])
        assert end.value.code == 0
        said = capsys.readouterr().out
        if place == "-":
            first = json.loads(said)
        else:
            assert not said.startswith(("{", "["))
    second = json.loads(Path("out.json").read_text(encoding="utf-8"))
    for found in (first, second):
        found.pop("seconds", None)
    assert first == second


def test_the_json_lists_contain_numbers() -> None:
    found = datasets_as_json()
    assert found["datasets"]["dsprites"]["images"] == 737_280
    assert found["datasets"]["shapes3d"]["factors"]["orientation"] == 15
    files = {file["name"]: file for file in found["benchmark_files"]}
    assert files["mini-modified"]["epsilon"] == 0.25
    assert files["mini-modified"]["bytes"] > 1_000_000
    assert metrics_as_json()["mig"]["range"] == (0.0, 1.0)


def test_a_file_described_as_json_has_its_arrays_and_attributes(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = np.zeros((2, 3), np.uint8)
        file.attrs["epsilon"] = 0.5
    found = described_as_json(str(tmp_path / "a.h5"))
    assert found["arrays"] == {"x": {"dtype": "uint8", "shape": (2, 3)}}
    assert found["attributes"] == {"epsilon": 0.5}
    with pytest.raises(UserError, match="nowhere is neither a dataset"):
        described_as_json("nowhere")
