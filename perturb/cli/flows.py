"""`perturb schedule`, `perturb doctor`, and whatever else the extra `flows` adds to the commands.

The flows are found through entry points, because perturb itself never imports Prefect.
"""

import os
import re
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from perturb.cli.places import STANDARD_OUTPUT, ArtifactsOption, ConfigArgument, JsonOption, SetOption, put_json
from perturb.errors import UserError, adds
from perturb.escapes import in_line

GROUP = "perturb.flows"
"""Entry-point group."""
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
COLOURS = {"ok": "green", "warning": "yellow", "wrong": "red"}


def from_flows(name: str) -> Callable:
    """Return a function of the flows: `run`, `serve` or `check`.

    Raises:
        UserError: the flows, or something that they need, are not installed.

    """
    for entry_point in entry_points(group=GROUP, name=name):
        try:
            return entry_point.load()
        except ModuleNotFoundError as error:
            package = (error.name or str(error)).partition(".")[0]
            if package.startswith("perturb"):
                raise UserError(f"perturb and its flows are incompatible (no {error.name}); reinstall perturb.") from None
            raise UserError(
                f"{package} is not installed: {adds('flows')}; `perturb run` without --prefect and --runner does not "
                "need it."
            ) from None
    raise UserError("the flows are not installed; reinstall perturb: `pip install '.[flows]'` in a clone of it.")


def schedule(
    config: ConfigArgument,
    cron: Annotated[str | None, typer.Option(help="When to run: minute hour day month weekday.")] = None,
    every: Annotated[str | None, typer.Option(help="How often to run, for example 30m, 12h or 7d.")] = None,
    artifacts: ArtifactsOption = Path("artifacts"),
    workers: Annotated[int | None, typer.Option(help="Trainings at a time; default: one per core.", min=1)] = None,
    device: Annotated[str | None, typer.Option(help="Torch device; default: cuda if available.")] = None,
    runner: Annotated[str | None, typer.Option(help="As for perturb run.")] = None,
    time_limit: Annotated[float | None, typer.Option(help="Minutes for each run; default: none.")] = None,
    changes: SetOption = None,
) -> None:
    """Run an experiment on a schedule through a Prefect server, until interrupted."""
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
    match = re.fullmatch(r"(\d+)([smhd])", text)
    if match is None or int(match[1]) == 0:
        raise UserError(f"--every must be a number above 0 and one of s, m, h, d, for example 12h; got {text}.")
    return timedelta(**{UNITS[match[2]]: int(match[1])})


def doctor(
    config: Annotated[Path | None, typer.Argument(readable=False, help="An experiment whose data file to check.")] = None,
    artifacts: Annotated[Path, typer.Option(readable=False, help="Folder for run directories and results.")] = Path(
        "artifacts"
    ),
    device: Annotated[str | None, typer.Option(help="Torch device; default: cuda if available.")] = None,
    dask: Annotated[str | None, typer.Option(help="HOST:PORT of a Dask scheduler; default: PERTURB_DASK.")] = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also start a Prefect server and wait for a schedule to fire (a minute).")
    ] = False,
    out: JsonOption = None,
) -> None:
    """Check versions, device, disk, data, Prefect and Dask; exit with code 1 if something is wrong."""
    from perturb.execution.checkup import Check, check_machine

    console, shown = Console(highlight=False, soft_wrap=True, quiet=out == STANDARD_OUTPUT), list[Check]()

    def show(check: Check) -> None:
        shown.append(check)
        console.print(f"[{COLOURS[check.verdict]}]{check.verdict:8}[/]", end="")
        console.print(in_line(f"{check.name:12}{check.note}"), markup=False)

    for check in check_machine(artifacts.resolve(), device, config):
        show(check)
    try:
        checks = from_flows("check")
    except UserError as error:
        show(Check("warning", "flows", str(error)))
    else:
        for check in checks(dask=dask or os.environ.get("PERTURB_DASK"), deep=deep):
            show(check)
    put_json(out, [asdict(check) for check in shown])
    raise typer.Exit(int(any(check.verdict == "wrong" for check in shown)))
