"""The experiment as a Prefect flow. It reads from top to bottom; a task makes sure that some run directories are there.

Prefect's own cache stays off: the run directories are the one source of truth, for every runner and for plain Python.
"""

from perturb_flows.environment import prepare, silence

prepare()

import logging  # noqa: E402
from collections.abc import Callable  # noqa: E402
from functools import partial  # noqa: E402

import httpx  # noqa: E402
from perturb_flows.artifacts import progress_shown, show_results  # noqa: E402
from perturb_flows.parameters import Experiment, Settings  # noqa: E402
from perturb_flows.runners import make_workers, parsed  # noqa: E402
from perturb_flows.server import server  # noqa: E402
from prefect import flow, task  # noqa: E402
from prefect.cache_policies import NO_CACHE  # noqa: E402
from prefect.futures import PrefectFuture  # noqa: E402
from prefect.states import Completed, Failed, State  # noqa: E402
from prefect.task_runners import ThreadPoolTaskRunner  # noqa: E402

from perturb.config import ExperimentConfig  # noqa: E402
from perturb.errors import UserError  # noqa: E402
from perturb.execution.build import Finished, WorkerLost  # noqa: E402
from perturb.execution.display import PlanDisplay  # noqa: E402
from perturb.execution.local import check_patterns, stages_until  # noqa: E402
from perturb.execution.origin import origin_at  # noqa: E402
from perturb.execution.scheduler import Crew  # noqa: E402
from perturb.execution.settings import RunSettings  # noqa: E402
from perturb.execution.unit import Unit, work_on  # noqa: E402
from perturb.experiment.plan import Plan, plan_experiment  # noqa: E402
from perturb.experiment.results import publish_results  # noqa: E402
from perturb.experiment.stages import STAGES  # noqa: E402
from perturb.runs import Store  # noqa: E402

DEFAULTS = RunSettings()
log = logging.getLogger(__name__)


@task(name="runs", task_run_name="{label}", cache_policy=NO_CACHE, persist_result=False)
def ensure(work: Callable[[], list[Finished]], label: str) -> State:
    """Have a worker build runs; `Reused` when all are there. What a person is told has no traceback in the log."""
    try:
        finished = work()
    except (UserError, WorkerLost) as error:
        return Failed(message=str(error), data=error)
    built = any(run.how == "built" for run in finished)
    return Completed(name="Built" if built else "Reused", message=", ".join(run.run for run in finished))


@flow(name="study", persist_result=False, task_runner=ThreadPoolTaskRunner())
def study(config: Experiment, settings: Settings = DEFAULTS, until: str | None = None, runner: str | None = None) -> None:
    """Ground truth → restarts → selection → perturbation → benchmark files → evaluation → report.

    Args:
        config: the experiment.
        settings: folders, workers and device.
        until: stop after this stage, for example `restarts`.
        runner: `thread:N`, `process:N`, `dask`, `dask://HOST:PORT` or `ray`; default: a process for each worker.

    """
    plan = plan_experiment(config)
    stages = stages_until(plan, until)
    store = Store(settings.artifacts, STAGES, device=settings.device)
    with origin_at(store.root) as origin, make_workers(runner, settings, origin) as workers:
        crew = Crew(
            plan,
            store,
            submit=lambda unit: ensure.submit(
                partial(workers.run, work_on, Unit.of(unit, workers.settings, origin)),
                ", ".join(spec.label for spec in unit),
            ),
            error_of=error_of,
            workers=workers.slots,
            stack=settings.stack,
            heartbeat=workers.check,
        )
        with PlanDisplay(plan, store) as display, progress_shown(config.name, display.fraction):
            for stage, last in stages:
                crew.finish(stage, last=last)
                check_patterns(plan, store)
    if store.is_complete(plan.report):
        show_results(config.name, publish_results(plan, store))


def error_of(future: PrefectFuture) -> BaseException | None:
    """Return what a finished task raised, or None."""
    result = future.result(raise_on_failure=False)
    return result if isinstance(result, BaseException) else None


def run_with_prefect(
    config: ExperimentConfig, settings: RunSettings, *, until: str | None = None, runner: str | None = None
) -> Plan:
    """Execute an experiment as a flow, on the server that PREFECT_API_URL names or on a temporary one."""
    silence()
    parsed(runner, settings)
    plan = plan_experiment(config)
    stages = stages_until(plan, until)
    with server():
        try:
            study(config, settings, until, runner)
        except httpx.TransportError as error:
            gone = f"the Prefect server does not answer any more ({type(error).__name__})"
            store = Store(settings.artifacts, STAGES)
            if not all(store.is_complete(spec) for stage, _ in stages for spec in stage.runs):
                raise UserError(
                    f"{gone}; what is done is kept, and running again goes on from there, as does plain Python without any "
                    "server."
                ) from error
            log.warning("%s, so its page does not show the end of this flow; all runs are there.", gone)
    return plan
