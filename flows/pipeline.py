"""The experiment as a Prefect flow. It reads from top to bottom; each task ensures that some run directories exist.

Prefect's own cache stays off: the run directories are the single source of truth, for every runner and for plain Python.
"""

from perturb_flows.environment import prepare, silence

prepare()

import logging  # noqa: E402
from collections.abc import Callable, Sequence  # noqa: E402
from functools import partial  # noqa: E402
from itertools import islice  # noqa: E402

import httpx  # noqa: E402
from perturb_flows.artifacts import progress_shown, show_results  # noqa: E402
from perturb_flows.interrupts import ends_soon  # noqa: E402
from perturb_flows.parameters import Experiment, Settings  # noqa: E402
from perturb_flows.runners import Workers, make_workers, parsed  # noqa: E402
from perturb_flows.server import server  # noqa: E402
from prefect import flow, get_run_logger, task  # noqa: E402
from prefect.cache_policies import NO_CACHE  # noqa: E402
from prefect.futures import PrefectFuture  # noqa: E402
from prefect.states import Completed, Failed, State  # noqa: E402
from prefect.task_runners import ThreadPoolTaskRunner  # noqa: E402

from perturb.config import ExperimentConfig  # noqa: E402
from perturb.errors import UserError  # noqa: E402
from perturb.escapes import greek_spelled_out  # noqa: E402
from perturb.execution.build import Finished, WorkerLost  # noqa: E402
from perturb.execution.display import PlanDisplay  # noqa: E402
from perturb.execution.local import check_patterns, stages_until  # noqa: E402
from perturb.execution.origin import Origin, origin_at  # noqa: E402
from perturb.execution.scheduler import Scheduler  # noqa: E402
from perturb.execution.settings import RunSettings  # noqa: E402
from perturb.execution.unit import WorkUnit, execute_unit  # noqa: E402
from perturb.experiment.plan import Plan, plan_experiment  # noqa: E402
from perturb.experiment.publish import publish_results  # noqa: E402
from perturb.experiment.stages import STAGES  # noqa: E402
from perturb.runs import RunSpec, Store  # noqa: E402

DEFAULTS = RunSettings()
log = logging.getLogger(__name__)
MOST_EDGES = 40
"""Maximum number of a task's dependencies to draw on Prefect's page; the report alone may have more than a thousand."""


@task(task_run_name="{title}", cache_policy=NO_CACHE, persist_result=False)
def ensure(work: Callable[[], list[Finished]], title: str) -> State:
    """Have a worker build runs; the state is `Reused` if all exist. User-facing errors are logged without a traceback."""
    logger = get_run_logger()
    logger.info("handed to a worker")
    try:
        finished = work()
    except (UserError, WorkerLost) as error:
        logger.error("%s", error)
        return Failed(message=str(error), data=error)
    for run in finished:
        logger.info("%s: %s, in runs/%s", run.label, run.how, run.run)
    built = any(run.how == "built" for run in finished)
    return Completed(name="Built" if built else "Reused", message=", ".join(run.run for run in finished))


class Tasks:
    """Submits units of work as tasks with their stage's name and tag, each after the tasks that built its inputs.

    The scheduler has already ensured that the inputs exist; Prefect is told of the dependencies only so that its page shows
    the graph.
    """

    def __init__(self, plan: Plan, workers: Workers, origin: Origin) -> None:
        self._workers, self._origin = workers, origin
        self._stages = {spec.id: stage.title for stage in plan.stages for spec in stage.runs}
        self._futures: dict[str, PrefectFuture] = {}

    def submit(self, unit: list[RunSpec]) -> PrefectFuture:
        """Submit a task that builds a unit's runs; return its future."""
        work = partial(self._workers.run, execute_unit, WorkUnit.pack(unit, self._workers.settings, self._origin))
        stage = self._stages[unit[0].id]
        title = title_of(stage, [spec.label for spec in unit])
        future = ensure.with_options(tags=[stage]).submit(work, title, wait_for=self._built_inputs_of(unit))
        self._futures |= dict.fromkeys((spec.id for spec in unit), future)
        return future

    def _built_inputs_of(self, unit: list[RunSpec]) -> list[PrefectFuture]:
        """Return the tasks of this flow that built a unit's inputs, without those that failed and were retried."""
        needed, waiting = {}, [needed for spec in unit for needed in spec.inputs.values()]
        while waiting:
            spec = waiting.pop()
            if future := self._futures.get(spec.id):
                needed[future.task_run_id] = future
            elif spec.id not in self._stages:  # an input that a run builds for itself
                waiting.extend(spec.inputs.values())
        return list(islice((future for future in needed.values() if future.state.is_completed()), MOST_EDGES))


def title_of(stage: str, labels: Sequence[str]) -> str:
    """Return a task's name: its stage, unless that is how its label begins anyway, and the labels of its runs.

    Greek letters are spelled out, because the font of the graph on Prefect's page leaves them blank.
    """
    label = greek_spelled_out(", ".join(labels))
    return label if label.startswith(stage) else f"{stage}: {label}"


@flow(name="study", flow_run_name="{config.name}", persist_result=False, task_runner=ThreadPoolTaskRunner())
def study(config: Experiment, settings: Settings = DEFAULTS, until: str | None = None, runner: str | None = None) -> None:
    """Ground truth → restarts → selection → perturbation → benchmark files → evaluation → report.

    Args:
        config: the experiment.
        settings: folders, workers and device.
        until: stop after this stage, for example `restarts`.
        runner: `thread:N`, `process:N`, `dask` or `dask://HOST:PORT`; default: a process for each worker.

    """
    plan = plan_experiment(config)
    stages = stages_until(plan, until)
    store = Store(settings.artifacts, STAGES, device=settings.device)
    with origin_at(store.root) as origin, make_workers(runner, settings, origin) as workers:
        scheduler = Scheduler(
            plan,
            store,
            submit=Tasks(plan, workers, origin).submit,
            error_of=error_of,
            workers=workers.slots,
            stack=settings.stack,
            heartbeat=workers.check,
        )
        with PlanDisplay(plan, store) as display, progress_shown(config.name, display.fraction):
            for stage, last in stages:
                scheduler.finish(stage, last=last)
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
    with ends_soon(), server():
        try:
            study(config, settings, until, runner)
        except httpx.TransportError as error:
            gone = f"the Prefect server does not answer any more ({type(error).__name__})"
            store = Store(settings.artifacts, STAGES)
            if not all(store.is_complete(spec) for stage, _ in stages for spec in stage.runs):
                raise UserError(
                    f"{gone}; what is done is kept. Run the same command again to resume, or use plain Python, which needs "
                    "no server."
                ) from error
            log.warning("%s, so its page does not show the end of this flow; all runs are there.", gone)
    return plan
