"""`perturb doctor`."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from perturb.cli.installed import from_flows
from perturb.errors import UserError

COLOURS = {"ok": "green", "warning": "yellow", "wrong": "red"}


def doctor(
    config: Annotated[Path | None, typer.Argument(help="An experiment, whose data file is looked for.")] = None,
    artifacts: Annotated[Path, typer.Option(help="Folder for run directories and results.")] = Path("artifacts"),
    device: Annotated[str | None, typer.Option(help="Torch device; default: cuda where there is one.")] = None,
    dask: Annotated[str | None, typer.Option(help="HOST:PORT of a Dask scheduler; default: PERTURB_DASK.")] = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also start a Prefect server and see a schedule fire (a minute).")
    ] = False,
) -> None:
    """Check versions, device, disk, data, Prefect and Dask; exit code 1 when something is wrong."""
    from perturb.execution.checkup import Check, check_machine

    console, worst = Console(highlight=False, soft_wrap=True), 0

    def show(check: Check) -> None:
        nonlocal worst
        worst = max(worst, int(check.verdict == "wrong"))
        console.print(f"[{COLOURS[check.verdict]}]{check.verdict:8}[/]", end="")
        console.print(f"{check.name:12}{check.note}", markup=False)

    for check in check_machine(artifacts.resolve(), device, config):
        show(check)
    try:
        checks = from_flows("check")
    except UserError as error:
        show(Check("warning", "flows", str(error)))
    else:
        for check in checks(dask=dask or os.environ.get("PERTURB_DASK"), deep=deep):
            show(check)
    raise typer.Exit(worst)
