"""`perturb schedule`, `perturb doctor`, and what else `perturb[flows]` adds to the commands.

The flows are found through entry points, since perturb itself never imports Prefect.
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
from perturb.errors import UserError
from perturb.escapes import in_line

GROUP = "perturb.flows"
"""Group of the entry points."""
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
COLOURS = {"ok": "green", "warning": "yellow", "wrong": "red"}


def from_flows(name: str) -> Callable:
    """`run`, `serve` or `check` of the flows.

    Raises:
        UserError: they, or something that they need, are not installed.

    """
    for found in entry_points(group=GROUP, name=name):
        try:
            return found.load()
        except ModuleNotFoundError as error:
            package = (error.name or str(error)).partition(".")[0]
            if package.startswith("perturb"):
                raise UserError(f"perturb and its flows do not fit together (no {error.name}); reinstall perturb.") from None
            raise UserError(
                f"{package} is not installed: `pip install 'perturb[flows]'` adds it; `perturb run` without --prefect "
                "and --runner does without it."
            ) from None
    raise UserError("the flows are not installed; reinstall perturb with `pip install 'perturb[flows]'`.")


def schedule(
    config: ConfigArgument,
    cron: Annotated[str | None, typer.Option(help="When, in five fields: minute hour day month weekday.")] = None,
    every: Annotated[str | None, typer.Option(help="How often, for example 30m, 12h or 7d.")] = None,
    artifacts: ArtifactsOption = Path("artifacts"),
    workers: Annotated[int | None, typer.Option(help="Trainings at a time; default: one a core.", min=1)] = None,
    device: Annotated[str | None, typer.Option(help="Torch device; default: cuda where there is one.")] = None,
    runner: Annotated[str | None, typer.Option(help="As of perturb run.")] = None,
    time_limit: Annotated[float | None, typer.Option(help="Minutes for each run; default: none.")] = None,
    changes: SetOption = None,
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


def doctor(
    config: Annotated[
        Path | None, typer.Argument(readable=False, help="An experiment, whose data file is looked for.")
    ] = None,
    artifacts: Annotated[Path, typer.Option(readable=False, help="Folder for run directories and results.")] = Path(
        "artifacts"
    ),
    device: Annotated[str | None, typer.Option(help="Torch device; default: cuda where there is one.")] = None,
    dask: Annotated[str | None, typer.Option(help="HOST:PORT of a Dask scheduler; default: PERTURB_DASK.")] = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also start a Prefect server and see a schedule fire (a minute).")
    ] = False,
    out: JsonOption = None,
) -> None:
    """Check versions, device, disk, data, Prefect and Dask; exit code 1 when something is wrong."""
    from perturb.execution.checkup import Check, check_machine

    console, found = Console(highlight=False, soft_wrap=True, quiet=out == STANDARD_OUTPUT), list[Check]()

    def show(check: Check) -> None:
        found.append(check)
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
    put_json(out, [asdict(check) for check in found])
    raise typer.Exit(int(any(check.verdict == "wrong" for check in found)))
