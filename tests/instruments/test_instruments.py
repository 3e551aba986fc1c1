"""The table of instruments, their subjects, and the command that runs them."""

import importlib
import json
import pkgutil
import re
from pathlib import Path

import pytest

import perturb.instruments
from perturb.cli import main
from perturb.errors import UserError
from perturb.instruments import INSTRUMENTS
from perturb.instruments.subject import subjects_of


def test_every_instrument_module_is_in_the_table() -> None:
    modules = [
        importlib.import_module(f"perturb.instruments.{m.name}") for m in pkgutil.iter_modules(perturb.instruments.__path__)
    ]
    assert {m.INSTRUMENT.name for m in modules if hasattr(m, "INSTRUMENT")} == set(INSTRUMENTS)


def test_an_analysis_writes_a_page_a_figure_and_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main_of("precision-budget", "--seeds", "2", "--out", str(tmp_path / "out"), "--json", str(tmp_path / "numbers.json"))
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "out" / "precision-budget.html")
    record = json.loads((tmp_path / "numbers.json").read_text())
    assert record == json.loads((tmp_path / "out" / "precision-budget.json").read_text())
    assert record["settings"] == {"seeds": 2, "seed": 0, "device": "cpu"}
    assert record["numbers"]["losses"]["45"] == pytest.approx(52.4, abs=0.05)
    page = (tmp_path / "out" / "precision-budget.html").read_text(encoding="utf-8")
    assert "perturb analyse precision-budget" in page
    assert "data:image/png;base64," in page


def test_the_list_names_every_instrument(capsys: pytest.CaptureFixture[str]) -> None:
    main_of("list")
    said = capsys.readouterr().out
    assert all(name in said for name in INSTRUMENTS)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["precision-budgets"], "NAME must be among list, .*precision-budget.*did you mean precision-budget"),
        (["list", "x"], "takes no SUBJECT, got x"),
        (["precision-budget", "nowhere"], "SUBJECT must be one of .*; there is no nowhere"),
        (["precision-budget", "configs/quickstart.toml"], "SUBJECT must be no subject; got configs/quickstart.toml"),
    ],
)
def test_invalid_analyses_are_refused_in_one_sentence(
    words: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["analyse", *words, "--out", str(tmp_path / "out")])
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert re.search(sentence, said)
    assert not (tmp_path / "out").exists()


def test_a_folder_without_a_training_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"SUBJECT must be the directory of a finished training .* is not one"):
        subjects_of(str(tmp_path), ["run"], artifacts=tmp_path)


def test_an_experiment_without_finished_trainings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none of its trainings is finished below"):
        subjects_of("configs/quickstart.toml", ["config"], artifacts=tmp_path)


def main_of(*words: str) -> None:
    """Run `perturb analyse`, which must exit with code 0."""
    with pytest.raises(SystemExit) as end:
        main(["analyse", *words])
    assert end.value.code == 0
