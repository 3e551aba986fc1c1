"""Run an experiment repeatedly on a Prefect schedule."""

import sys
import warnings
from contextlib import suppress
from datetime import timedelta

from perturb_flows.environment import prepare

prepare()

from perturb_flows.pipeline import study  # noqa: E402
from perturb_flows.runners import parsed  # noqa: E402
from perturb_flows.server import page_of, page_trouble, require_server  # noqa: E402
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule  # noqa: E402
from pydantic import ValidationError  # noqa: E402

from perturb.config import ExperimentConfig  # noqa: E402
from perturb.errors import UserError  # noqa: E402
from perturb.execution.settings import RunSettings  # noqa: E402
from perturb.experiment.plan import plan_experiment  # noqa: E402
from perturb.progress import duration  # noqa: E402


def serve(
    config: ExperimentConfig,
    settings: RunSettings,
    *,
    runner: str | None = None,
    cron: str | None = None,
    every: timedelta | None = None,
) -> None:
    """Register the flow with the server in PREFECT_API_URL, and run it on schedule until interrupted.

    Only one run is active at a time, and a run reuses what earlier ones have built. Parameters can be changed on Prefect's
    page.

    Raises:
        UserError: there is no server, or the schedule or runner is invalid.

    """
    parsed(runner, settings)
    plan_experiment(config)
    server = require_server()
    try:
        schedule = CronSchedule(cron=cron) if cron else IntervalSchedule(interval=every)
    except ValidationError as error:
        raise UserError(f"--cron must be five fields, for example '0 3 * * *'; {error.errors()[0]['msg']}.") from None
    when = f"at {cron} (UTC)" if cron else f"every {duration(every.total_seconds())}"
    parameters = {"config": config.model_dump(mode="json"), "settings": settings.model_dump(mode="json"), "runner": runner}
    try:
        # At SIGTERM, Prefect warns about its own shutdown.
        with suppress(KeyboardInterrupt), warnings.catch_warnings(action="ignore", category=RuntimeWarning):
            page = f"{page_of(server)}/deployments"
            print(f"{config.name} runs {when}, one run at a time, until this is interrupted; its page: {page}", flush=True)
            if trouble := page_trouble(server):
                print(f"{trouble}.", file=sys.stderr, flush=True)
            study.serve(
                name=config.name, schedules=[schedule], parameters=parameters, limit=1, pause_on_shutdown=True,
                print_starting_message=False,
            )  # fmt: skip
    finally:
        print(f"stopped; the schedule of {config.name} is paused until `perturb schedule` is started again.", flush=True)
