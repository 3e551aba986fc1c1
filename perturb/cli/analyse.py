"""`perturb analyse`: run instruments of the theory on built-in or external models."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from perturb.cli.places import ArtifactsOption, JsonOption, SetOption, for_folder, put_json
from perturb.errors import UserError, not_among
from perturb.escapes import in_terminal

LIST = "list"
"""The argument that lists all instruments instead of running one."""


def analyse(
    name: Annotated[str, typer.Argument(help="The instrument, or list.")],
    subject: Annotated[
        str | None,
        typer.Argument(help="A finished training's directory, an experiment's .toml, or a factory package.module:name."),
    ] = None,
    benchmark: Annotated[str, typer.Option(help="Benchmark whose original images an external model is shown.")] = "mini",
    changes: SetOption = None,
    seeds: Annotated[int, typer.Option(help="Repetitions, if the instrument trains or draws something.", min=2)] = 5,
    seed: Annotated[int, typer.Option(help="Root seed.", min=0)] = 0,
    artifacts: ArtifactsOption = Path("artifacts"),
    out: Annotated[
        Path, typer.Option(readable=False, help="Folder for the page, the figure and the numbers.", callback=for_folder)
    ] = Path("analyses"),
    json_out: JsonOption = None,
    device: Annotated[str | None, typer.Option(help="Torch device; default: cuda if available.")] = None,
) -> None:
    """Ask one of the theory's questions about a model; `perturb analyse list` lists the questions."""
    from perturb.instruments import INSTRUMENTS
    from perturb.instruments.record import analysed, page_of
    from perturb.machine import checked_device
    from perturb.report.table import rich_table

    console = Console(width=None if sys.stdout.isatty() else 160)
    if name == LIST:
        if subject is not None:
            raise UserError(f"perturb analyse {LIST} takes no SUBJECT, got {subject}.")
        console.print(_table())
        return
    if name not in INSTRUMENTS:
        raise UserError(f"NAME {not_among([name], [LIST, *INSTRUMENTS])}.")
    sys.path.insert(0, str(Path.cwd()))
    answer, record = analysed(
        name, subject, folder=out, artifacts=artifacts, seeds=seeds, seed=seed, device=checked_device(device),
        benchmark=benchmark, changes=changes or (),
    )  # fmt: skip
    page = page_of(name, answer, record, out)
    if not put_json(json_out, record):
        return
    for table in answer.section.tables:
        console.print(rich_table(table))
    console.print(in_terminal(answer.verdict), highlight=False)
    print(page)


def _table() -> Table:
    """Return a table with one row per instrument: name, question and source, subjects, cost."""
    from perturb.instruments import INSTRUMENTS

    table = Table(show_lines=True, box=box.HORIZONTALS, pad_edge=False)
    for header in ("instrument", "question", "of", "cost"):
        table.add_column(header, no_wrap=header == "instrument")
    for instrument in INSTRUMENTS.values():
        question = f"{instrument.question}\n{instrument.source}"
        table.add_row(instrument.name, question, " or ".join(instrument.takes), instrument.cost)
    return table
