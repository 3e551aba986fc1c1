"""`perturb schedule`."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from perturb.cli.installed import from_flows
from perturb.errors import UserError

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def schedule(
    config: Annotated[Path, typer.Argument(help="An experiment, for example configs/quickstart.toml.")],
    cron: Annotated[str | None, typer.Option(help="When, in five fields: minute hour day month weekday.")] = None,
    every: Annotated[str | None, typer.Option(help="How often, for example 30m, 12h or 7d.")] = None,
    artifacts: Annotated[Path, typer.Option(help="Folder for run directories and results.")] = Path("artifacts"),
    workers: Annotated[int | None, typer.Option(help="Trainings at a time; default: one a core.", min=1)] = None,
    device: Annotated[str | None, typer.Option(help="Torch device; default: cuda where there is one.")] = None,
    runner: Annotated[str | None, typer.Option(help="As of perturb run.")] = None,
    time_limit: Annotated[float | None, typer.Option(help="Minutes for each run; default: none.")] = None,
    changes: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="As of perturb run.")] = None,
) -> None:
    """Run an experiment whenever its time comes, on a Prefect server, until interrupted."""
    from perturb.config import load_experiment
    from perturb.execution.settings import run_settings

    if (cron is None) == (every is None):
        raise UserError("schedule needs either --cron, for example '0 3 * * *', or --every, for example 12h.")
    interval = None if every is None else _interval(every)
    experiment = load_experiment(config, changes or ())
    settings = run_settings(
        artifacts=artifacts.resolve(), device=device, strategy=None, workers=workers, stack=None,
        time_limit=time_limit, elsewhere=(runner or "").startswith("dask://"),
    )  # fmt: skip
    from_flows("serve")(experiment, settings, runner=runner, cron=cron, every=interval)


def _interval(text: str) -> timedelta:
    found = re.fullmatch(r"(\d+)([smhd])", text)
    if found is None or int(found[1]) == 0:
        raise UserError(f"--every must be a number above 0 and one of s, m, h, d, for example 12h; got {text}.")
    return timedelta(**{UNITS[found[2]]: int(found[1])})
