"""The process of a run: it runs the user's code, and scores what that returns.

The process is started by a supervisor as `python -u -c "from perturb.external.worker import main; main()" SUPERVISOR` and
reads its job from its standard input. It needs no guard in the user's script, and a factory may come from a notebook.
"""

import os
import pickle
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from perturb.errors import UserError
from perturb.external import loop, protocols
from perturb.external.dataset import BenchmarkImages
from perturb.external.output import excerpt_of, excerpt_of_file
from perturb.external.plan import KIND, VERSION, ExternalResult, ExternalRun, Training
from perturb.files import sha256_of, write_json
from perturb.machine import die_with_parent
from perturb.metrics import METRICS, Coded, encoded_by, score_defined
from perturb.metrics.codes_file import codes_on
from perturb.names import one_line
from perturb.random.seeds import seed_globals
from perturb.runs import RunSpec, Stage, StageContext, Store

COMMAND = [sys.executable, "-u", "-c", "from perturb.external.worker import main; main()"]
STARTED, OUTPUT, ANSWER = "started", "output.txt", "answer.json"
OWN = str(Path(__file__).parent)


@dataclass(frozen=True, kw_only=True)
class Job:
    """The task of a process: a run, or before all runs a look at the model."""

    path: list[str]
    """sys.path."""
    workdir: Path
    """Folder for the marks `started` and, of a look, `answer.json`; holds `output.txt`."""
    threads: int
    factory: bytes | str
    """The factory pickled by cloudpickle, or its name; empty for codes."""
    data: Path
    """The benchmark file."""
    training: Training
    fitted: bool
    run: RunSpec | None
    """The run; None for a look at the model."""
    store: Path
    codes: Path | None
    """File of codes."""


def main() -> None:
    """Do the job on the standard input."""
    die_with_parent()
    if os.getppid() != int(sys.argv.pop()):
        # The supervisor died while this process was loading torch, before it could have been told to die with it.
        return
    sys.path[:] = pickle.load(sys.stdin.buffer)
    job: Job = pickle.load(sys.stdin.buffer)
    torch.set_num_threads(job.threads)
    (job.workdir / STARTED).touch()
    if job.run is None:
        try:
            answer = {"failure": None, "traceback": None} | _look(job)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            answer = _failure_of(error)
        write_json(job.workdir / ANSWER, answer)
    else:
        stages = {KIND: Stage(version=VERSION, build=lambda context: _build(job, context))}
        Store(job.store, stages).ensure(job.run)


def _failure_of(error: BaseException) -> dict[str, str | None]:
    """Why work on the user's code failed: an exception of theirs is a result like any other, with its traceback."""
    if isinstance(error, UserError):
        return {"failure": one_line(str(error)), "traceback": None}
    text = str(error).strip().splitlines()
    reason = f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
    return {"failure": one_line(reason), "traceback": users_traceback(error)}


def _factory(job: Job) -> protocols.Factory:
    return protocols.load_factory(job.factory) if isinstance(job.factory, str) else pickle.loads(job.factory)


def _look(job: Job) -> dict[str, Any]:
    """Return how the model is to be run, and what it says of itself."""
    seed_globals(0)
    factory = _factory(job)
    model, how = protocols.made_by(factory, fitted=job.fitted)
    dataset = BenchmarkImages(job.data)
    device = loop.device_of(job.training) if how == "loop" else "cpu"
    loop.rehearse(model, how, dataset, job.training, protocols.encoder_of(model, device))
    about = {"name": type(model).__name__, "method": one_line(protocols.described(factory, model))}
    return about | {"settings": protocols.settings_of(model), "how": how, "code_sha256": protocols.code_hash(factory)}


def _build(job: Job, context: StageContext[ExternalRun]) -> ExternalResult:
    """The run's result. What the user's code has printed stays beside it, its beginning and end where it is much."""
    try:
        config = context.spec.config
        coded = _codes_of_file(job, job.codes, config) if job.codes else _train_and_encode(job, context, config)
        details, refused = score_defined(
            coded, config.metrics, config.settings, seed=config.scores_seed, threads=job.threads
        )
        if not details:
            raise UserError(" ".join(refused.values()))
        scores = {name: found[METRICS[name].score] for name, found in details.items()}
        result = ExternalResult(scores=scores, details=details, refused=refused)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        failure = _failure_of(error)
        result = ExternalResult(scores=None, details=None, failure=failure["failure"], traceback=failure["traceback"])
    sys.stdout.flush()
    sys.stderr.flush()
    (context.out / OUTPUT).write_text(excerpt_of_file(job.workdir / OUTPUT), encoding="utf-8")
    return result


def _codes_of_file(job: Job, codes: Path, config: ExternalRun) -> Coded:
    coded = codes_on(codes, BenchmarkImages(job.data).grid)
    _require_same(config.code_sha256, sha256_of(codes), str(codes))
    return coded


def _train_and_encode(job: Job, context: StageContext[ExternalRun], config: ExternalRun) -> Coded:
    seed_globals(config.seed)
    dataset, factory = BenchmarkImages(job.data), _factory(job)
    if dataset.sha256 != config.images_sha256:
        raise UserError(f"{job.data}: holds other images than when the evaluation began; run it again.")
    _require_same(config.code_sha256, protocols.code_hash(factory), "the file that defines the model")
    dataset.file.prove()
    model, how = protocols.made_by(factory, fitted=job.fitted)
    device = loop.device_of(config.training) if how == "loop" else "cpu"
    if how == "fit":
        model.fit(dataset, config.seed)
    elif how == "loop":
        loop.train(model, dataset, config.training, seed=config.seed, report=context.progress.report)
    encoder = protocols.encoder_of(model, device)
    coded = encoded_by(encoder, dataset.file, config.metrics, config.settings, seed=config.scores_seed)
    dataset.file.require_unchanged()
    return coded


def _require_same(wanted: str | None, found: str | None, what: str) -> None:
    """Require that what was read is what the run is named by; None where nobody can tell."""
    if wanted is not None and found is not None and wanted != found:
        raise UserError(f"{what} has changed since the evaluation began; run it again.")


def users_traceback(error: BaseException) -> str:
    """A traceback that begins where the user's code does, in part where it is long."""
    found = traceback.TracebackException.from_exception(error)
    frames = list(found.stack)
    while frames and (frames[0].filename.startswith(OWN) or frames[0].filename.startswith("<frozen")):
        frames.pop(0)
    if frames:
        found.stack = traceback.StackSummary.from_list(frames)
    return excerpt_of("".join(found.format()))
