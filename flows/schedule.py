"""An experiment that Prefect starts by itself, again and again."""

import os
import urllib.error
import urllib.request
from datetime import timedelta

from perturb_flows.environment import prepare

prepare()

from perturb_flows.pipeline import study  # noqa: E402
from perturb_flows.runners import parsed  # noqa: E402
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule  # noqa: E402
from prefect.settings import PREFECT_API_URL  # noqa: E402
from pydantic import ValidationError  # noqa: E402

from perturb.config import ExperimentConfig  # noqa: E402
from perturb.errors import UserError  # noqa: E402
from perturb.execution.settings import RunSettings  # noqa: E402
from perturb.experiment.plan import plan_experiment  # noqa: E402


def serve(
    config: ExperimentConfig,
    settings: RunSettings,
    *,
    runner: str | None = None,
    cron: str | None = None,
    every: timedelta | None = None,
) -> None:
    """Offer the flow to the server that PREFECT_API_URL names, and run it when its time comes, until interrupted.

    One run at a time; a run finds what earlier ones have built. Parameters can be changed on Prefect's page.

    Raises:
        UserError: no server, or no such schedule.

    """
    parsed(runner, settings)
    plan_experiment(config)
    require_server()
    try:
        schedule = CronSchedule(cron=cron) if cron else IntervalSchedule(interval=every)
    except ValidationError as error:
        raise UserError(f"--cron must be five fields, for example '0 3 * * *'; {error.errors()[0]['msg']}.") from None
    study.serve(
        name=config.name,
        schedules=[schedule],
        parameters={
            "config": config.model_dump(mode="json"),
            "settings": settings.model_dump(mode="json"),
            "runner": runner,
        },
        limit=1,
        pause_on_shutdown=True,
        print_starting_message=os.isatty(1),
    )


def require_server() -> str:
    """The address of the server's API.

    Raises:
        UserError: none is named, or none answers.

    """
    address = PREFECT_API_URL.value()
    if not address:
        raise UserError(
            "schedules need a Prefect server that stays: start one with `prefect server start`, and set "
            "PREFECT_API_URL=http://127.0.0.1:4200/api."
        )
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=10):
            return address
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise UserError(
            f"no Prefect server answers at {address} ({error}); start it with `prefect server start`, or correct "
            "PREFECT_API_URL."
        ) from None
