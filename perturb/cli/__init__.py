"""The `perturb` command: parse arguments, call the library, print. No logic lives here."""

import io
import logging
import os
import shlex
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from perturb import __version__
from perturb.cli.analyse import analyse
from perturb.cli.dataset import dataset_app
from perturb.cli.external import add_commands
from perturb.cli.flows import doctor, from_flows, schedule
from perturb.cli.places import (
    ArtifactsOption,
    ConfigArgument,
    JsonOption,
    QuietOption,
    SetOption,
    for_file,
    for_folder,
    from_here,
    put_json,
)
from perturb.errors import INTERRUPTED, UserError
from perturb.escapes import in_line, in_markdown, in_terminal
from perturb.machine import terminated_as_interrupted
from perturb.reading import reason_of

app = typer.Typer(
    help="Perturbed disentanglement benchmarks: does a model disentangle, or does it lean on the data?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(dataset_app, name="dataset")
add_commands(app)
app.command()(analyse)
app.command()(schedule)
app.command()(doctor)

STOPPED = 130
"""Exit code of a process ended by Ctrl-C, as in shells."""
WIDE = 160
"""Width in columns of a table that goes to a file."""
NARROW = 80
"""Maximum width in columns of a sentence."""
STAGES_IN_HELP = (
    "ground-truth, restarts, selection, perturbation, benchmark-files, prediction, evaluation, codes, line-search, readout, "
    "report"
)
UntilOption = Annotated[str | None, typer.Option(help=f"Stop after this stage: {STAGES_IN_HELP}.")]
BudgetOption = Annotated[float, typer.Option(help="Multiply all steps and counts by this, in (0, 1].")]


@app.command("study", help="The same as run.", hidden=True)
@app.command()
def run(
    config: ConfigArgument,
    artifacts: ArtifactsOption = Path("artifacts"),
    workers: Annotated[int | None, typer.Option(help="Trainings at a time; default: one per core.", min=1)] = None,
    device: Annotated[str | None, typer.Option(help="Torch device; default: cuda if available.")] = None,
    strategy: Annotated[
        str | None, typer.Option(help="processes, stacked or sequential; default: stacked on a GPU, else processes.")
    ] = None,
    stack: Annotated[int | None, typer.Option(help="Maximum number of restarts a worker trains at once.", min=1)] = None,
    compiled: Annotated[bool, typer.Option("--compile", help="Compile the networks with torch.")] = False,
    changes: SetOption = None,
    budget: BudgetOption = 1.0,
    methods: Annotated[str | None, typer.Option(help="Only these rows of the tables, separated by commas.")] = None,
    until: UntilOption = None,
    runner: Annotated[
        str | None, typer.Option(help="Where a flow runs: process:N, thread:N, dask or dask://HOST:PORT.")
    ] = None,
    time_limit: Annotated[float | None, typer.Option(help="Minutes for each training or other run; default: none.")] = None,
    prefect: Annotated[
        bool | None,
        typer.Option("--prefect/--no-prefect", help="As a Prefect flow (default with --runner), or in plain Python."),
    ] = None,
    publish: Annotated[
        Path | None,
        typer.Option(
            readable=False,
            help="Also copy report, recipes and weights to this folder, with an index.json.",
            callback=for_folder,
        ),
    ] = None,
    patterns: Annotated[int | None, typer.Option(help="Maximum patterns per variant to publish; 0: none.", min=0)] = None,
    quiet: QuietOption = False,
) -> None:
    """Run an experiment end to end, reusing every run that is already finished."""
    from perturb.config import load_experiment, scaled_down, with_methods

    experiment = scaled_down(load_experiment(config, changes or ()), budget)
    if methods is not None:
        experiment = with_methods(experiment, [name.strip() for name in methods.split(",")])
    # Imported only after the config has been validated: these import torch, which takes seconds.
    from perturb.execution.local import run_locally
    from perturb.execution.settings import run_settings
    from perturb.experiment.publish import publish_experiment, publish_results
    from perturb.experiment.stages import STAGES
    from perturb.models import ARCHITECTURES
    from perturb.runs import Store

    settings = run_settings(
        artifacts=artifacts.resolve(), device=device, strategy=strategy, workers=workers, stack=stack,
        restarts_a_core=ARCHITECTURES[experiment.training.architecture].default_stack(experiment.training.precision),
        time_limit=time_limit, elsewhere=(runner or "").startswith("dask://"),
    )  # fmt: skip
    settings = settings.model_copy(update={"compile": compiled})
    if _through_prefect(prefect, runner, quiet=quiet):
        plan = from_flows("run")(experiment, settings, until=until, runner=runner)
    else:
        plan = run_locally(experiment, settings, until=until, quiet=quiet)
    store = Store(settings.artifacts, STAGES)
    if store.is_complete(plan.report):
        command = _command(sys.argv[1:])
        _show(publish_results(plan, store, command=command), experiment.name)
        if publish is not None:
            print(publish_experiment(plan, store, publish.resolve(), command=command, patterns=patterns))
    else:
        for stage in plan.stages:
            print(f"{stage.title}: {sum(map(store.is_complete, stage.runs))} of {len(stage.runs)}")


def _through_prefect(prefect: bool | None, runner: str | None, *, quiet: bool) -> bool:
    """Return whether a run goes through Prefect; contradictory options raise a UserError."""
    if prefect is False and runner is not None:
        raise UserError(f"--runner {runner} chooses how Prefect runs the flow; leave out --no-prefect or --runner.")
    chosen = bool(prefect) or runner is not None
    if chosen and quiet:
        raise UserError("--quiet is for runs in plain Python; leave it out with --prefect and --runner.")
    return chosen


def _command(words: list[str]) -> str:
    """Return the command as others can type it, without options that concern only this machine or hide the progress."""
    pairs = pairwise(["", *words])
    left_out = ("--artifacts", "--quiet", "-q")
    kept = [word for before, word in pairs if before != "--artifacts" and not word.startswith(left_out)]
    return shlex.join(["perturb", *kept])


def _show(results: Path, name: str) -> None:
    """Print the tables, then the files worth opening; the last line is the path of results.json."""
    from perturb.files import read_json
    from perturb.report.tables import as_terminal
    from perturb.statistics.scores import Row

    content = read_json(results)
    rows = [Row(**row) for row in content["rows"]]
    console = Console(width=None if sys.stdout.isatty() else WIDE)
    for table in as_terminal(rows, title=name):
        console.print(table)
    for sentence in content["answers"]:
        console.print(in_terminal(sentence), highlight=False, width=min(console.width, NARROW))
    print()
    for title, name_of_file in (("Picture", "images.png"), ("Report", "report.html")):
        if (path := results.parent / name_of_file).is_file():
            print(f"{title:8} {from_here(path)}")
    print(from_here(results))


@app.command()
def score(
    codes: Annotated[
        Path, typer.Argument(readable=False, help="An .npz with the arrays codes (n, latents) and factors (n, factors).")
    ],
    metrics: Annotated[str | None, typer.Option(help="Comma-separated keys, or all; default: the tables' four.")] = None,
    out: JsonOption = None,
    picture: Annotated[
        Path | None,
        typer.Option(readable=False, help="Draw how informative each latent is of each factor (PNG).", callback=for_file),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed for drawing samples.", min=0)] = 0,
    fast: Annotated[bool, typer.Option("--fast", help="Cheaper settings, for a quick look and not for tables.")] = False,
    library: Annotated[bool, typer.Option("--library", help="Draw rows as disentanglement_lib does.")] = False,
) -> None:
    """Score codes from any framework."""
    from perturb.files import sha256_of
    from perturb.metrics import METRICS, TABLE_METRICS, check_names
    from perturb.metrics.codes_file import as_table, draw_matrices, read_codes, score_each

    named = TABLE_METRICS if metrics is None else [name.strip() for name in metrics.split(",")]
    chosen = list(METRICS) if metrics == "all" else named
    check_names(chosen)
    coded, console = read_codes(codes), Console()
    with Console(stderr=True).status(in_terminal(f"scoring {codes}")):
        found = score_each(coded, chosen, seed=seed, fast=fast, protocol="library" if library else "held_out")
    if picture is not None:
        draw_matrices(picture, coded, seed=seed)
    if put_json(out, {"file": str(codes), "sha256": sha256_of(codes)} | found):
        console.print(as_table(found))
        for note in found["notes"]:
            console.print(note, highlight=False, markup=False)
        for written in (out, picture):
            if written is not None:
                print(written)


@app.command()
def epsilon(
    results: Annotated[list[Path], typer.Argument(readable=False, help="The results.json of one experiment at several ε.")],
    out: Annotated[Path, typer.Option(readable=False, help="Folder for epsilon.md and epsilon.png.", callback=for_folder)],
    metric: Annotated[str, typer.Option(help="Key of a metric in these results.")] = "mig",
) -> None:
    """Compare an experiment at several ε side by side: a table, and scores over ε."""
    from perturb.files import write_text
    from perturb.metrics import check_names
    from perturb.report.epsilon import draw_epsilon, epsilon_table, made_of, read_results
    from perturb.report.table import markdown_lines, rich_table

    check_names([metric])
    found = read_results(results)
    table = epsilon_table(found, metric)
    draw_epsilon(out / "epsilon.png", found, metric)
    title, made = in_markdown(table.title), [f"- {in_markdown(line)}" for line in made_of(found)]
    lines = [f"# {title}", "", *markdown_lines(table), "", "![Scores over ε](epsilon.png)", "", *made, ""]
    write_text(out / "epsilon.md", "\n".join(lines))
    Console(width=None if sys.stdout.isatty() else WIDE).print(rich_table(table))
    print(out / "epsilon.md")


@app.command("metrics")
def list_metrics(out: JsonOption = None) -> None:
    """List the metrics: ranges, costs, settings, sources."""
    from perturb.cli.describe import metrics_as_json, table_of_metrics

    if out is None or put_json(out, metrics_as_json()):
        Console().print(table_of_metrics())


@app.command()
def gc(
    artifacts: ArtifactsOption = Path("artifacts"),
    hours: Annotated[float, typer.Option(help="Keep everything touched within this many hours.", min=0)] = 24.0,
) -> None:
    """Remove checkpoints and half-built runs that killed processes left behind."""
    from perturb.runs import Store

    removed = Store(artifacts, {}).collect_garbage(older_than_hours=hours)
    print(f"removed {len(removed)} folders")


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)


def _print_version(asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: a UserError becomes one sentence and exit code 2; anything else keeps its traceback.

    Args:
        arguments: command-line arguments; None: those of this process.

    """
    logging.basicConfig(level=logging.WARNING)
    os.environ["MPLBACKEND"] = "agg"  # figures only go to files, and a notebook's backend may not be installed here
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # characters that the encoding lacks are escaped
            stream.reconfigure(errors="backslashreplace")
    try:
        with terminated_as_interrupted():
            app(args=arguments)
    except UserError as error:
        _leave(str(error))
    except OSError as error:  # not already turned into a UserError by a reader or writer
        place = f"{error.filename}: " if error.filename is not None else ""
        _leave(f"{place}{reason_of(error)}; check that the path exists and that you have access to it.")
    except SystemExit as end:
        if end.code == STOPPED:  # at Ctrl-C, Typer exits with this code and prints nothing
            print(INTERRUPTED, file=sys.stderr)
        raise


def _leave(sentence: str) -> NoReturn:
    """Print an error in one line and exit; control characters from files or arguments are escaped."""
    print(f"perturb: {in_line(sentence)}", file=sys.stderr)
    sys.exit(2)
