"""A config that takes omitted values from a base file."""

from pathlib import Path

import pytest

from perturb.config import load_experiment
from perturb.errors import UserError

BASE = """
[training]
steps = 12
batch_size = 8

[perturbation]
epsilon = 0.2
"""


def test_a_base_supplies_what_the_file_leaves_out(tmp_path: Path, tiny_toml: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "base.toml").write_text(BASE)
    whole = tiny_toml.read_text()
    tiny_toml.write_text('base = "shared/base.toml"\n' + whole.replace("batch_size = 8\nlearning_rate", "learning_rate", 1))
    assert load_experiment(tiny_toml, ["perturbation.epsilon=0.175"]) == load_experiment(_file(tmp_path, whole))
    assert load_experiment(tiny_toml).perturbation.epsilon == 0.175, "the file must take precedence over its base"


@pytest.mark.parametrize(
    ("base", "text", "sentence"),
    [
        ("3", "", r"tiny\.toml: `base` must be the path of a TOML file, got 3\."),
        ('"none.toml"', "", r"none\.toml: no such file"),
        ('"base.toml"', "[training", r"base\.toml: not a TOML file"),
        (
            '"base.toml"',
            'base = "tiny.toml"',
            r"base\.toml: is the base of .*tiny\.toml, and must have no `base`",
        ),
        ('"base.toml"', "[training]\nstep = 3", r"tiny\.toml: unknown key `training\.step` \(value 3\)"),
    ],
)
def test_an_invalid_base_is_refused_in_one_sentence(
    base: str, text: str, sentence: str, tmp_path: Path, tiny_toml: Path
) -> None:
    (tmp_path / "base.toml").write_text(text)
    tiny_toml.write_text(f"base = {base}\n{tiny_toml.read_text()}")
    with pytest.raises(UserError, match=sentence):
        load_experiment(tiny_toml)


def _file(folder: Path, text: str) -> Path:
    path = folder / "whole.toml"
    path.write_text(text)
    return path
