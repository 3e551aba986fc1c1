"""`perturb evaluate`, `leaderboard` and `entry`: external models."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from perturb.cli.places import OriginalOption, QuietOption, for_folder
from perturb.errors import UserError
from perturb.escapes import in_line, in_terminal
from perturb.files import require_writable

CodesOption = Annotated[
    Path | None, typer.Option(readable=False, help="Folder with original.npz, modified.npz …, instead of a model.")
]
OutOption = Annotated[
    Path | None, typer.Option(readable=False, help="Folder for entry.json and finished runs.", callback=for_folder)
]
VariantsOption = Annotated[
    str | None,
    typer.Option(help="Comma-separated variants, original first; default: original, modified and a control."),
]
SettingsOption = Annotated[
    Path | None,
    typer.Option(readable=False, help="Experiment with the metrics' settings to use; default: disentanglement_lib's."),
]
entry_app = typer.Typer(help="Entries: one model's runs on one benchmark, as JSON.", no_args_is_help=True)


def evaluate(
    model: Annotated[str | None, typer.Argument(help="A factory, my_package.my_module:name.")] = None,
    benchmark: Annotated[
        str, typer.Option(help="mini, dsprites, shapes3d, a folder of benchmark files, or a results.json.")
    ] = "mini",
    encoder: Annotated[bool, typer.Option("--encoder", help="The model is already trained: score it as it is.")] = False,
    codes: CodesOption = None,
    variants: VariantsOption = None,
    seeds: Annotated[int, typer.Option(help="Trainings on each variant.", min=1)] = 3,
    patterns: Annotated[
        int | None, typer.Option(help="Patterns per variant, which the seeds cycle through; default: all available.", min=1)
    ] = None,
    metrics: Annotated[str, typer.Option(help="Comma-separated keys, table for the tables' four, or all.")] = "mig",
    fast: Annotated[bool, typer.Option("--fast", help="Cheaper settings of the metrics, for a quick look.")] = False,
    settings_of: SettingsOption = None,
    seed: Annotated[int, typer.Option(help="Root seed.", min=0)] = 0,
    steps: Annotated[int, typer.Option(help="Training steps of our loop, for models with module and loss.", min=1)] = 10_000,
    batch_size: Annotated[int, typer.Option(help="Batch size of our loop.", min=1)] = 64,
    learning_rate: Annotated[float, typer.Option(help="Learning rate of our loop.")] = 1e-4,
    time_limit: Annotated[float | None, typer.Option(help="Seconds a run may take.")] = None,
    memory_limit: Annotated[float | None, typer.Option(help="GiB a run may use.")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Runs at a time; default: one per core, or one with a GPU.", min=1)
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Retry runs that failed before.")] = False,
    name: Annotated[str | None, typer.Option(help="Name of the model in tables.")] = None,
    method: Annotated[str | None, typer.Option(help="The method in one line.")] = None,
    out: OutOption = None,
    download: Annotated[bool, typer.Option("--download", help="Download missing benchmark files.")] = False,
    url: Annotated[str | None, typer.Option(help="Where to download from; default: PERTURB_BENCHMARK_URL.")] = None,
    original: OriginalOption = None,
    quiet: QuietOption = False,
) -> None:
    """Train your model on every variant of a benchmark, score it, and see what survives; resumes if interrupted."""
    from perturb.config import load_experiment
    from perturb.external import Training
    from perturb.external import benchmark as evaluated
    from perturb.metrics import METRICS, TABLE_METRICS

    subject = _subject(model, codes, encoder=encoder)
    if learning_rate <= 0:
        raise UserError(f"--learning-rate must be above 0, got {learning_rate:g}.")
    sys.path.insert(0, str(Path.cwd()))
    settings = None if settings_of is None else load_experiment(settings_of).metrics
    called = codes.resolve().name if codes else str(subject).replace(":", ".")
    place = _writable(out or Path("evaluations") / f"{called}-{Path(benchmark).stem}")
    named = {"table": list(TABLE_METRICS), "all": list(METRICS)}
    result = evaluated(
        subject,
        benchmark,
        way="codes" if codes else "encoder" if encoder else "train",
        variants=None if variants is None else _listed(variants),
        seeds=seeds,
        patterns=patterns,
        metrics=named.get(metrics) or _listed(metrics),
        settings=settings,
        fast=fast,
        seed=seed,
        training=Training(steps=steps, batch_size=batch_size, learning_rate=learning_rate),
        name=name, method=method, out=place, time_limit=time_limit, memory_limit=memory_limit, workers=workers, retry=retry,
        download=download, url=url, original=original, quiet=quiet,
    )  # fmt: skip
    _show(result, place)


def _subject(model: str | None, codes: Path | None, *, encoder: bool) -> str | Path:
    """Return what to evaluate: either a model or a folder of codes."""
    subject = model if codes is None else codes
    if subject is None or (model is not None and codes is not None):
        raise UserError("name either a model, my_package.my_module:name, or a folder of codes with --codes.")
    if encoder and codes is not None:
        raise UserError("--encoder is for a model; codes need none.")
    return subject


def _writable(place: Path) -> Path:
    require_writable(place, "--out", folder=True)
    return place


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _show(result, place: Path) -> None:  # noqa: ANN001
    """Print the tables, the failures and the sentence, then the entry's path; raise a UserError if every run failed."""
    from perturb.external.evaluate import PICTURE
    from perturb.report.table import rich_table
    from perturb.report.tables import as_terminal

    console = Console()
    for table in as_terminal(result.all_rows, title=f"{result.entry.dataset.name}, ε = {result.entry.dataset.epsilon:g}"):
        console.print(table)
    if result.axes is not None:
        console.print(rich_table(result.axes))
        console.print(in_terminal(f"{result.axes_sentence} {place / PICTURE} shows it."), highlight=False, soft_wrap=True)
    if result.factors is not None:
        console.print(rich_table(result.factors))
        console.print(in_terminal(result.factors_sentence), highlight=False, soft_wrap=True)
    for reason in result.unmeasured:
        console.print(in_terminal(f"Not measured in the model's axes: {reason}"), highlight=False, soft_wrap=True)
    for failure in result.failures:
        console.print(in_terminal(f"Failed: {failure}"), highlight=False, soft_wrap=True)
    for refusal in result.refusals:
        console.print(in_terminal(f"Without a value: {refusal}"), highlight=False, soft_wrap=True)
    console.print(in_terminal(result.sentence), highlight=False, soft_wrap=True)
    print(place / "entry.json")
    if len(result.failures) == len(result.entry.runs):
        raise UserError(f"all {len(result.failures)} runs failed; what they printed is in {place}/runs/*/output.txt.")


def leaderboard(
    folder: Annotated[
        Path, typer.Argument(readable=False, help="Folder of entries: *.json, or folders with an entry.json each.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            readable=False, help="Folder for the page and the Markdown table; default: FOLDER.", callback=for_folder
        ),
    ] = None,
    built_in: Annotated[bool, typer.Option(help="Also show the built-in methods where they are comparable.")] = True,
) -> None:
    """Write leaderboard.html, sortable and usable offline, and leaderboard.md from a folder of entries."""
    from perturb.report.leaderboard import write_leaderboard

    require_writable(out or folder, "--out", folder=True)
    written, refused = write_leaderboard(folder, out or folder, built_in=built_in)
    for each in refused:
        print(in_line(f"refused {each.file}: {' '.join(each.reasons)}"), file=sys.stderr)
    for path in written:
        print(path)


@entry_app.command("check")
def check(files: Annotated[list[Path], typer.Argument(readable=False, help="Entries.")]) -> None:
    """Check entries, and report everything that is wrong with them."""
    from perturb.entries.packaged import known_files
    from perturb.entries.rules import check_entry

    wrong = 0
    for path in files:
        entry, reasons = check_entry(path, known_files())
        name, wrong = in_line(path), wrong + (entry is None)
        if entry is not None:
            print(f"{name}: {entry.model} on {entry.dataset.name}, {len(entry.runs)} runs. Accepted.")
        for reason in reasons:
            print(in_line(f"{name}: {reason}"))
    if wrong:
        raise UserError(f"{wrong} of {len(files)} entries cannot be used, for the reasons above.")


def add_commands(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(evaluate)
    app.command()(leaderboard)
    app.add_typer(entry_app, name="entry")
