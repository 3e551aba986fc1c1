"""The instrument that suggests β: trainings in the store and the verdict computed from the numbers."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from perturb.analysis.beta_ladder import Bracket
from perturb.cli import main
from perturb.instruments import suggest_beta
from perturb.instruments.suggest_beta import Rung


def test_an_experiment_needs_no_finished_training_and_trainings_are_reused(
    tiny_toml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suggest_beta, "MOST", 2)
    found = [_analyse(tiny_toml, tmp_path / "artifacts", tmp_path / out) for out in ("one", "two")]
    assert found[0]["numbers"] == found[1]["numbers"]
    betas = [rung["beta"] for rung in found[0]["numbers"]["rungs"]]
    assert 1.0 in betas  # an eighth of the experiment's β
    assert len(list((tmp_path / "artifacts" / "runs").glob("restart-*"))) == 2 * len(betas)
    for rung in found[0]["numbers"]["rungs"]:
        assert np.shape(rung["unit_variances"]) == (2, 4)
        assert len(rung["mig"]) == len(rung["distance"]) == 2
    assert (tmp_path / "one" / "suggest-beta.png").is_file()


def _analyse(config: Path, artifacts: Path, out: Path) -> dict:
    with pytest.raises(SystemExit) as end:
        main(["analyse", "suggest-beta", str(config), "--artifacts", str(artifacts), "--seeds", "2", "--out", str(out)])
    assert end.value.code == 0
    return json.loads((out / "suggest-beta.json").read_text(encoding="utf-8"))


def _rung(beta: float, largest: float, mig: float) -> Rung:
    variances = np.array([[0.01, largest], [0.02, largest], [0.01, 0.1]])
    return Rung(beta=beta, variances=variances, migs=np.array([mig, mig + 0.02, mig - 0.02]), distances=np.full(3, 0.5))


FOUND = [_rung(1.0, 0.1, 0.3), _rung(2.0, 0.2, 0.5), _rung(4.0, 0.3, 0.4), _rung(8.0, 0.9, 0.2), _rung(16.0, 1.0, 0.6)]


@pytest.mark.parametrize(
    ("found", "bracket", "said"),
    [
        (FOUND[:4], Bracket(4.0, 8.0), r"^Take β = 4: .* this and 8\. MIG is best at β = 2 \(0\.50 ± .*; .* 0\.40 ± .*\), a "
                                       r"factor of 2 away, and so of the same order of magnitude\.$"),
        (FOUND, Bracket(4.0, 8.0), r"MIG is best at β = 16 .* a factor of 4 away, and so of another order of magnitude"),
        (FOUND[:2], Bracket(2.0, 4.0), r"^Take β = 2: .* MIG is best there \(0\.50 ± "),
        (FOUND[:2], Bracket(2.0, None), r"^No unit is pruned up to β = 2, .* none is suggested"),
        (FOUND[3:], Bracket(None, 8.0), r"^A unit is pruned even at β = 8, .* none is suggested"),
    ],
)  # fmt: skip
def test_the_verdict_depends_on_the_bracket_and_the_best_mig(found: list[Rung], bracket: Bracket, said: str) -> None:
    assert re.search(said, suggest_beta._verdict(found, bracket))


def test_a_unit_counts_as_pruned_when_it_is_in_half_of_the_models_or_more() -> None:
    assert [rung.pruned for rung in FOUND] == [False, False, False, True, True]
    assert FOUND[3].whole.tolist() == [False, False, True]
    assert FOUND[3].distance.mean == 0.5


def test_further_betas_are_proposed_until_there_are_enough_on_either_side() -> None:
    assert suggest_beta._further(Bracket(4.0, 8.0), [4.0, 8.0]) == [1.0, 0.25, 32.0]
    assert suggest_beta._further(Bracket(16.0, 32.0), [1.0, 4.0, 16.0, 32.0, 64.0]) == []
    assert suggest_beta._further(Bracket(16.0, None), [1.0, 4.0, 16.0]) == []
