"""The experiment as a Prefect flow. It reads from top to bottom; a task makes sure that one run directory is there.

Prefect's own cache stays off: the run directories are the one source of truth, for every runner and for plain Python.
"""

from perturb_flows.environment import prepare, silence

prepare()

from perturb_flows.runners import make_runner  # noqa: E402
from perturb_flows.server import server  # noqa: E402
from prefect import flow, task  # noqa: E402
from prefect.cache_policies import NO_CACHE  # noqa: E402
from prefect.futures import PrefectFuture  # noqa: E402
from prefect.states import Completed, Failed, State  # noqa: E402

from perturb.config import ExperimentConfig  # noqa: E402
from perturb.errors import UserError  # noqa: E402
from perturb.pipeline.crew import Crew  # noqa: E402
from perturb.pipeline.display import PlanDisplay  # noqa: E402
from perturb.pipeline.execute import check_patterns, stages_until  # noqa: E402
from perturb.pipeline.plan import Plan, plan_experiment  # noqa: E402
from perturb.pipeline.settings import RunSettings  # noqa: E402
from perturb.pipeline.stages import STAGES  # noqa: E402
from perturb.pipeline.work import ensure_runs  # noqa: E402
from perturb.runs import RunSpec, Store  # noqa: E402


@task(name="runs", task_run_name="{label}", cache_policy=NO_CACHE, persist_result=False)
def ensure(specs: list[RunSpec], settings: RunSettings, label: str) -> State:
    """Build runs, or answer `Reused` when all are there; a user's error is a failed state, its traceback not in the log."""
    try:
        finished = ensure_runs(specs, settings)
    except UserError as error:
        return Failed(message=str(error), data=error)
    built = any(run.how == "built" for run in finished)
    return Completed(name="Built" if built else "Reused", message=", ".join(run.run for run in finished))


@flow(name="perturb", validate_parameters=False, persist_result=False)
def pipeline(config: ExperimentConfig, settings: RunSettings, until: str | None = None) -> None:
    """Ground truth → restarts → selection → perturbation → benchmark files → evaluation → report."""
    plan = plan_experiment(config)
    stages = stages_until(plan, until)
    store = Store(settings.artifacts, STAGES, device=settings.device)
    crew = Crew(
        plan,
        store,
        submit=lambda unit: ensure.submit(unit, settings, ", ".join(spec.label for spec in unit)),
        error_of=error_of,
        workers=settings.workers,
        stack=settings.stack,
    )
    with PlanDisplay(plan, store):
        for stage, last in stages:
            crew.finish(stage, last=last)
            check_patterns(plan, store)


def error_of(future: PrefectFuture) -> BaseException | None:
    """What a finished task raised, or None."""
    result = future.result(raise_on_failure=False)
    return result if isinstance(result, BaseException) else None


def run_with_prefect(
    config: ExperimentConfig, settings: RunSettings, *, until: str | None = None, runner: str | None = None
) -> Plan:
    """Execute an experiment as a flow, on the server that PREFECT_API_URL names or on a temporary one."""
    silence()
    chosen = make_runner(runner or f"process:{settings.workers}")
    with server():
        pipeline.with_options(task_runner=chosen)(config, settings, until)
    return plan_experiment(config)
