"""Execution of a plan in plain Python, with its runs spread over processes."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

from perturb.config import CollapseConfig, ExperimentConfig
from perturb.datasets import FactorGrid, grid_of
from perturb.errors import UserError
from perturb.execution.display import PlanDisplay
from perturb.execution.origin import origin_at
from perturb.execution.processes import Processes
from perturb.execution.scheduler import Scheduler
from perturb.execution.settings import RunSettings
from perturb.execution.unit import WorkUnit, execute_unit
from perturb.experiment.plan import Plan, PlannedStage, plan_experiment
from perturb.experiment.stages import STAGES
from perturb.perturbation.saved_networks import PatternResult
from perturb.perturbation.scalar import fewest_factors
from perturb.runs import Store


def run_locally(config: ExperimentConfig, settings: RunSettings, *, until: str | None = None, quiet: bool = False) -> Plan:
    """Execute an experiment, up to stage `until` if given, without any server, and return its plan.

    `quiet` hides the progress display.
    """
    plan = plan_experiment(config)
    stages = stages_until(plan, until)
    store = Store(settings.artifacts, STAGES, device=settings.device)
    with (
        origin_at(store.root) as origin,
        ThreadPoolExecutor(settings.workers) as threads,
        Processes(settings.workers) as processes,
    ):
        scheduler = Scheduler(
            plan,
            store,
            submit=lambda unit: threads.submit(processes.run, execute_unit, WorkUnit.pack(unit, settings, origin)),
            error_of=lambda future: future.exception(),
            workers=settings.workers,
            stack=settings.stack,
        )
        with nullcontext() if quiet else PlanDisplay(plan, store):
            for stage, last in stages:
                scheduler.finish(stage, last=last)
                check_patterns(plan, store)
    return plan


def stages_until(plan: Plan, until: str | None) -> list[tuple[PlannedStage, bool]]:
    """Return the stages up to `until`, or all; with each, whether the scheduler must not start runs of later stages."""
    count = plan.stages.index(plan.stage(until)) + 1 if until else len(plan.stages)
    return [(stage, until is not None) for stage in plan.stages[:count]]


def check_patterns(plan: Plan, store: Store) -> None:
    """Raise a UserError if a trained m_ψ has collapsed, unless the config allows it. Alternatives may collapse."""
    if plan.config.collapse.action == "warn":
        return
    grid = grid_of(plan.config.dataset)
    for column, spec in plan.networks.patterns.items():
        if column.variant == "modified" and store.is_complete(spec):
            _check_pattern(column.name, store.result(spec, PatternResult), plan.config.collapse, grid)


def _check_pattern(name: str, result: PatternResult, rule: CollapseConfig, grid: FactorGrid) -> None:
    """Require that a trained pattern varies, and along more than one factor."""
    variation, factors = result.pattern.variation, result.scalar.effective
    if variation < rule.min_variation:
        raise UserError(
            f"the perturbation has collapsed: {variation:.1%} of the mean square of {name} varies over the data, and "
            f"collapse.min_variation asks for {rule.min_variation:.1%}; set normalise_pattern = true and "
            f'normalise_scalar = true in [perturbation], use form = "alignment", or go on with collapse.action = "warn".'
        )
    if factors < (fewest := fewest_factors(rule.min_factors, grid)):
        raise UserError(
            f"the perturbation has collapsed: the scalar of {name} follows {factors:.2f} factors in effect, and "
            f"collapse.min_factors asks for {fewest:.2f}, because a pattern along one factor mixes it with no other; use "
            f'another form or seed, or go on with collapse.action = "warn".'
        )
