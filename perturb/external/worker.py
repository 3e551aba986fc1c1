"""The process of a run: a child runs the user's code, and this process scores the codes that the child leaves in a file.

The process is forked by a server (perturb/external/fork_server.py) that has already imported everything. The user's script
therefore needs no `__main__` guard, and a factory may come from a notebook. The child is forked before any user code is
loaded, so whatever that code does to Python, to torch or to the metrics affects only the child.
"""

import os
import pickle
import sys
import time
import traceback
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from perturb.errors import UserError
from perturb.external import axes, loop, protocols
from perturb.external.dataset import BenchmarkImages
from perturb.external.factors import factors_of_run
from perturb.external.output import excerpt_of, excerpt_of_file
from perturb.external.plan import KIND, VERSION, ExternalResult, ExternalRun, Training
from perturb.files import atomic_write, read_json, sha256_of, write_json
from perturb.machine import die_with_parent
from perturb.metrics import METRICS, Coded, PartlyCoded, encoded_by, rows_to_encode, score_defined
from perturb.metrics.codes_file import codes_on
from perturb.names import one_line
from perturb.progress import Progress
from perturb.random.seeds import seed_globals
from perturb.reading import reading
from perturb.runs import RunSpec, Stage, StageContext, Store
from perturb.statistics.scores import BASELINE
from perturb.supervisor import end_as

OUTPUT, ANSWER = "output.txt", "answer.json"
CODES, FAILURE = "codes.npy", "failure.json"
"""The child that runs the user's code leaves one of these two files."""
OWN = str(Path(__file__).parent)


@dataclass(frozen=True, kw_only=True)
class Job:
    """The task of a process: a run or, before all runs, inspecting the model or only its factory."""

    path: list[str]
    """sys.path for the user's code; the scoring process keeps the interpreter's own, so no user module gets in there."""
    workdir: Path
    """Folder for `output.txt`, the printed output, and, when inspecting, for `answer.json`."""
    threads: int
    factory: bytes | str
    """The factory pickled by cloudpickle, or its name; empty for codes."""
    data: Path | None
    """The benchmark file; None to only check that the factory exists, before there is a file."""
    training: Training
    fitted: bool
    run: RunSpec | None
    """The run; None to inspect the model."""
    store: Path
    codes: Path | None
    """File with the codes to score; None if a model computes them."""

    def images(self) -> BenchmarkImages:
        """Return the benchmark file's images."""
        assert self.data is not None
        return BenchmarkImages(self.data)


def do(job: Job) -> None:
    """Do a job, in a process forked for it."""
    with (job.workdir / OUTPUT).open("wb") as output:
        for printed_to in (sys.stdout, sys.stderr):
            os.dup2(output.fileno(), printed_to.fileno())
    if job.run is None:
        torch.set_num_threads(job.threads)
        sys.path[:] = job.path
        try:
            answer = {"failure": None, "traceback": None} | _look(job)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            answer = _failure_of(error)
        write_json(job.workdir / ANSWER, answer)
        return
    began = time.monotonic()
    if job.codes is None and _in_child_that_has_trained(job, job.run.config):
        return
    seconds = time.monotonic() - began
    torch.set_num_threads(job.threads)
    stages = {KIND: Stage(version=VERSION, build=lambda context: _build(job, context, seconds))}
    Store(job.store, stages).ensure(job.run)


def _in_child_that_has_trained(job: Job, config: ExternalRun) -> bool:
    """Fork a child that trains the model and encodes images into a file in the job's folder; wait for the child.

    Returns True in the child, whose work is then done, and False in the parent. If the child leaves no file, the parent ends
    in the same way as the child.
    """
    parent, child = os.getpid(), os.fork()
    if child == 0:
        die_with_parent()
        if os.getppid() == parent:
            sys.path[:] = job.path
            torch.set_num_threads(job.threads)  # after the last fork, or torch's pool would wait for the parent's threads
            _leave_codes_or_failure(job, config)
        return True
    _, status = os.waitpid(child, 0)
    if not any((job.workdir / name).exists() for name in (CODES, FAILURE)):
        end_as(os.waitstatus_to_exitcode(status))
    return False


def _leave_codes_or_failure(job: Job, config: ExternalRun) -> None:
    """Train and encode; write the codes, or what went wrong, to the file that the parent reads."""
    try:
        with Progress(job.workdir) as progress:
            codes = _train_and_encode(job, progress, config)
        with atomic_write(job.workdir / CODES) as part, part.open("wb") as file:
            np.save(file, codes, allow_pickle=False)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        write_json(job.workdir / FAILURE, _failure_of(error))


def _failure_of(error: BaseException) -> dict[str, str | None]:
    """Return why the user's code failed; an exception raised by that code is a result, with its traceback."""
    if isinstance(error, UserError):
        return {"failure": one_line(str(error)), "traceback": None}
    text = str(error).strip().splitlines()
    reason = f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
    return {"failure": one_line(reason), "traceback": users_traceback(error)}


def _factory(job: Job) -> protocols.Factory:
    return protocols.load_factory(job.factory) if isinstance(job.factory, str) else pickle.loads(job.factory)


def _look(job: Job) -> dict[str, Any]:
    """Return how to run the model and how it describes itself; {} if there are no images to try it on."""
    seed_globals(0)
    factory = _factory(job)
    if job.data is None:
        return {}
    dataset = job.images()
    model, how = protocols.made_by(factory, protocols.offered(dataset.image_shape, dataset.grid, 0), fitted=job.fitted)
    device = loop.device_of(job.training) if how == "loop" else "cpu"
    loop.rehearse(model, how, dataset, job.training, protocols.encoder_of(model, device))
    about = {"name": type(model).__name__, "method": one_line(protocols.described(factory, model))}
    return about | {"settings": protocols.settings_of(model), "how": how, "code_sha256": protocols.code_hash(factory)}


def _build(job: Job, context: StageContext[ExternalRun], seconds: float) -> ExternalResult:
    """Return the run's result; store the output of the user's code next to it, or its beginning and end if it is long."""
    failure = job.workdir / FAILURE
    result = _failed(read_json(failure)) if failure.exists() else _scored(job, context.spec.config, context.out)
    sys.stdout.flush()
    sys.stderr.flush()
    (context.out / OUTPUT).write_text(excerpt_of_file(job.workdir / OUTPUT), encoding="utf-8")
    return replace(result, seconds=round(seconds, 1))


def _failed(found: dict[str, str | None]) -> ExternalResult:
    return ExternalResult(scores=None, details=None, failure=found["failure"], traceback=found["traceback"])


def _scored(job: Job, config: ExternalRun, out: Path) -> ExternalResult:
    """Score the codes; for a run on the originals, also store some of them with the run."""
    try:
        coded = _codes_of_file(job, job.codes, config) if job.codes else _handed_over(job, config)
        details, refused = score_defined(
            coded, config.metrics, config.settings, seed=config.scores_seed, threads=job.threads
        )
        if not details:
            raise UserError(" ".join(refused.values()))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return _failed(_failure_of(error))
    scores = {name: found[METRICS[name].score] for name, found in details.items()}
    grid, reason = job.images().grid, None
    if config.variant == BASELINE:
        reason = axes.keep(out, coded, grid.indices_of(coded.factors), seed=config.scores_seed)
    held = factors_of_run(coded, grid, seed=config.scores_seed)
    return ExternalResult(scores=scores, details=details, refused=refused, without_axes=reason, factors=held)


def _handed_over(job: Job, config: ExternalRun) -> PartlyCoded:
    """Return the codes that the child left, which cover the images that the metrics read."""
    grid = job.images().grid
    encoded = rows_to_encode(config.metrics, config.settings, grid, seed=config.scores_seed)
    with reading(job.workdir / CODES, "run the evaluation again"):
        codes = np.load(job.workdir / CODES, allow_pickle=False)
    return PartlyCoded(codes, grid, encoded)


def _codes_of_file(job: Job, codes: Path, config: ExternalRun) -> Coded:
    coded = codes_on(codes, job.images().grid)
    _require_same(config.code_sha256, sha256_of(codes), str(codes))
    return coded


def _train_and_encode(job: Job, progress: Progress, config: ExternalRun) -> np.ndarray:
    """Train the user's model; return its codes (images, latents) of the images that the metrics read."""
    seed_globals(config.seed)
    dataset, factory = job.images(), _factory(job)
    if dataset.sha256 != config.images_sha256:
        raise UserError(f"{job.data}: its images have changed since the evaluation began; run it again.")
    _require_same(config.code_sha256, protocols.code_hash(factory), "the file that defines the model")
    dataset.file.prove()
    offers = protocols.offered(dataset.image_shape, dataset.grid, config.seed)
    model, how = protocols.made_by(factory, offers, fitted=job.fitted)
    device = loop.device_of(config.training) if how == "loop" else "cpu"
    if how == "fit":
        model.fit(dataset, config.seed)
    elif how == "loop":
        loop.train(model, dataset, config.training, seed=config.seed, report=progress.report)
    encoder = protocols.encoder_of(model, device)
    coded = encoded_by(encoder, dataset.file, config.metrics, config.settings, seed=config.scores_seed)
    dataset.file.require_unchanged()
    return coded.codes


def _require_same(wanted: str | None, found: str | None, what: str) -> None:
    """Raise a UserError if a hash differs from the one that identifies the run; None means unknown."""
    if wanted is not None and found is not None and wanted != found:
        raise UserError(f"{what} has changed since the evaluation began; run it again.")


def users_traceback(error: BaseException) -> str:
    """Return a traceback that begins where the user's code does, shortened if it is long."""
    found = traceback.TracebackException.from_exception(error)
    frames = list(found.stack)
    while frames and (frames[0].filename.startswith(OWN) or frames[0].filename.startswith("<frozen")):
        frames.pop(0)
    if frames:
        found.stack = traceback.StackSummary.from_list(frames)
    return excerpt_of("".join(found.format()))
