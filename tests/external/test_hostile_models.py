"""Models that get in the way of their own evaluation: what they write, shadow or patch changes no score."""

import os
import subprocess
import sys
from pathlib import Path

import faulty_models
import pytest
from faulty_models import Linear, WritesToWhatIsRead

from perturb.external import Training, benchmark, load_benchmark
from perturb.external.plan import scores_seed
from perturb.external.protocols import encoder_of
from perturb.metrics import score_encoder

HELPERS = Path(faulty_models.__file__).parent
EVALUATE = [sys.executable, "-P", "-c", "from perturb.cli import main; main()", "evaluate"]


@pytest.mark.slow
def test_a_model_that_writes_to_the_images_fails_and_later_scores_are_unchanged(tmp_path: Path) -> None:
    training = Training(steps=20, batch_size=16, learning_rate=1e-2)
    asked = {"variants": ("original",), "seeds": 1, "training": training, "cache": tmp_path, "quiet": True}
    before = benchmark(Linear, **asked).entry
    (run,) = benchmark(WritesToWhatIsRead, **asked).entry.runs
    assert run.scores is None
    assert "wrote to it while its images were being read" in run.failure
    after = benchmark(Linear, **asked).entry
    assert [run.scores for run in after.runs] == [run.scores for run in before.runs]


def test_modules_next_to_a_model_do_not_shadow_those_that_score_it(tmp_path: Path) -> None:
    (tmp_path / "sklearn.py").write_text("raise ImportError('the wrong sklearn')\n")
    (tmp_path / "beside.py").write_text("from faulty_models import Fitted\n")
    command = [*EVALUATE, "beside:Fitted", "--variants", "original", "--seeds", "1", "--encoder"]
    # An empty entry would mean the current folder.
    paths = [path for path in (str(HELPERS), os.environ.get("PYTHONPATH")) if path]
    done = subprocess.run(
        [*command, "--metrics", "sap"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout


def test_a_model_that_patches_the_scorer_still_gets_the_true_score_of_its_codes() -> None:
    asked = {"variants": ("original",), "seeds": 1, "quiet": True}
    (run,) = benchmark(faulty_models.PatchesTheScorer, **asked).entry.runs
    assert run.failure is None
    data = load_benchmark("mini")
    expected = score_encoder(encoder_of(faulty_models.Fitted()), data.file, ["mig"], seed=scores_seed(0))
    assert run.scores == {"mig": expected["mig"]["mig"]}
    assert run.seconds > 0
