"""A time limit per run: each unit is built in its own process, which is killed when its time is up.

Nothing less ends a training that hangs in a library. The cost is one process start per unit, a few seconds that do not count
towards the limit. We use a plain subprocess rather than a pool with time limits such as pebble's, because multiprocessing
does not start children of a daemonic process, and Dask's workers are daemonic.
"""

import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Sequence

from perturb.errors import UserError
from perturb.execution.build import Finished, WorkerLost, ensure_runs
from perturb.execution.settings import RunSettings
from perturb.proofs import adopt, proofs
from perturb.runs import RunSpec
from perturb.supervisor import kill_all, supervise


def ensure_within(specs: Sequence[RunSpec], settings: RunSettings, minutes: float) -> list[Finished]:
    """Build runs, each within a number of minutes.

    Raises:
        UserError: they took longer. Checkpoints are kept, and no failure is recorded: the run may finish with more time.
        WorkerLost: the process died.

    """
    command = [sys.executable, "-m", "perturb.execution.time_limit", str(os.getpid())]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            _wait_for_imports(process)
            answer, _ = process.communicate(pickle.dumps((specs, settings, proofs())), timeout=60 * minutes * len(specs))
        except subprocess.TimeoutExpired:
            names, together = ", ".join(spec.label for spec in specs), "" if len(specs) == 1 else " each"
            raise UserError(
                f"{names}: not done within --time-limit {minutes:g} minutes{together}; running again with a "
                "higher limit goes on from the last checkpoint."
            ) from None
        except BrokenPipeError:
            answer = b""
        finally:
            if process.poll() is None:
                kill_all(process.pid)
    if process.returncode or not answer:
        raise WorkerLost(f"its process ended with code {process.returncode}")
    outcome, proved_there = pickle.loads(answer)
    adopt(proved_there)
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def _wait_for_imports(process: subprocess.Popen[bytes]) -> None:
    if process.stdout is not None:
        process.stdout.readline()


def main() -> None:
    """Read a unit from standard input and answer on standard output, to which nothing else may print.

    The only argument is the id of the calling process.
    """
    supervise(int(sys.argv.pop()))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    import perturb.experiment.stages  # noqa: F401  (imports are slow and do not count)

    answers.write(b"ready\n")
    answers.flush()
    specs, settings, proved_there = pickle.load(sys.stdin.buffer)
    adopt(proved_there)
    try:
        outcome = ensure_runs(specs, settings)
    except Exception as error:
        error.add_note(traceback.format_exc())
        outcome = error
    try:
        answer = pickle.dumps((outcome, proofs()))
        pickle.loads(answer)
    except Exception:
        answer = pickle.dumps((RuntimeError(repr(outcome)), proofs()))
    answers.write(answer)
    answers.close()


if __name__ == "__main__":
    main()
