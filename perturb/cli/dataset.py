"""`perturb dataset`: ground truths and benchmark files."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from perturb.cli.places import JsonOption, OriginalOption, for_file, for_folder, put_json
from perturb.errors import UserError
from perturb.escapes import in_line, in_terminal
from perturb.files import require_writable
from perturb.progress import bar

FileArgument = Annotated[Path, typer.Argument(readable=False, help="A benchmark file.")]
dataset_app = typer.Typer(help="Ground truths and benchmark files.", no_args_is_help=True)

DIFFERS = (
    "Some pixels differ from the published ones: other machines and versions round differently, by one grey level at most. "
    "`perturb dataset compare` counts them if you also have the published file; `perturb dataset verify` checks ε."
)


@dataset_app.command("list")
def list_datasets(out: JsonOption = None) -> None:
    """List the ground truths, the benchmark files that can be made on the spot, and the synthetic sets."""
    from perturb.cli.describe import datasets_as_json, table_of_benchmarks, table_of_datasets, table_of_vectors

    if out is None or put_json(out, datasets_as_json()):
        Console().print(table_of_datasets(), table_of_benchmarks(), table_of_vectors())


@dataset_app.command("info")
def describe_dataset(
    what: Annotated[str, typer.Argument(help="A dataset from the list, or a benchmark file.")], out: JsonOption = None
) -> None:
    """Describe a ground truth by its factors, or a benchmark file by its arrays and attributes."""
    from perturb.cli.describe import described, described_as_json

    if out is None or put_json(out, described_as_json(what)):
        Console().print(*described(what))


@dataset_app.command("render")
def render_dataset(
    name: Annotated[str, typer.Argument(help="A dataset from the list.")],
    out: Annotated[
        Path,
        typer.Option(
            readable=False,
            help="An .h5 or .hdf5 file; for dSprites also .npz, for a synthetic set .npz only.",
            callback=for_file,
        ),
    ],
    seed: Annotated[int, typer.Option(help="Seed for the samples of a synthetic set.", min=0)] = 0,
) -> None:
    """Render a ground truth into a file of its official layout, for code that reads no other."""
    from perturb.benchmark.official import write_named

    with bar(f"rendering {name}") as report:
        write_named(out, name, seed=seed, report=report)
    print(out)


@dataset_app.command("verify")
def verify_file(
    path: FileArgument,
    origin: Annotated[
        Path | None, typer.Option(readable=False, help="The official file, if the originals came from one.")
    ] = None,
) -> None:
    """Check a benchmark file: complete, undamaged, labels in grid order, every pixel within ε of the originals."""
    from perturb.benchmark.verify import verify_file

    with bar(f"verifying {path.name}") as report:
        found = verify_file(path, origin=origin, report=report)
    print(
        f"{path}: {found.images:,} images, no pixel moved by more than {found.largest_change} of 255 grey levels, "
        f"{found.changed_share:.1%} of the pixel values changed. As promised."
    )


@dataset_app.command("cache")
def cache_file(path: FileArgument) -> None:
    """Unpack a benchmark file next to it, so that random access to its images is as fast as memory."""
    from perturb.datasets.hdf5.reader import write_cache

    require_writable(path.parent, "PATH", folder=True)
    with bar(f"unpacking {path.name}") as report:
        folder = write_cache(path, report=report)
    print(folder)


@dataset_app.command("build")
def build_file(
    recipe: Annotated[Path, typer.Argument(readable=False, help="A <variant>.recipe.json next to its .safetensors.")],
    out: Annotated[Path, typer.Option(readable=False, help="Path of the benchmark file to write.", callback=for_file)],
    origin: Annotated[
        Path | None, typer.Option(readable=False, help="The official file, if the originals came from one.")
    ] = None,
) -> None:
    """Rebuild a benchmark file from its recipe."""
    from perturb.benchmark.recipe import build

    with bar(f"building {out.name}") as report:
        same = build(recipe, out, origin=origin, report=report)
    print(out)
    print("Every pixel is the published one." if same else DIFFERS)


@dataset_app.command("compare")
def compare_files(
    first: FileArgument,
    second: Annotated[Path, typer.Argument(readable=False, help="Another benchmark file of the same grid.")],
) -> None:
    """Count the pixel values in which two benchmark files differ."""
    from perturb.benchmark.compare import compare

    with bar("comparing") as report:
        found = compare(first, second, report=report)
    print(
        f"{found.differing:,} of {found.pixels:,} pixel values differ ({found.differing / found.pixels:.4%}), "
        f"by {found.largest} of 255 grey levels at most."
    )


@dataset_app.command("get")
def get_benchmark_file(
    name: Annotated[
        str, typer.Argument(help="A benchmark and a variant, for example shapes3d-modified or shapes3d-modified-2.")
    ],
    original: OriginalOption = None,
) -> None:
    """Make and verify a file of a built-in benchmark in the cache (PERTURB_CACHE), or find it there; print its path."""
    from perturb.external.benchmarks import get_file

    print(get_file(name, original=original))


@dataset_app.command("fetch")
def fetch_dataset(
    name: Annotated[str, typer.Argument(help="A dataset whose authors publish a file, for example dsprites.")],
    to: Annotated[Path, typer.Option(readable=False, help="Folder for the file.", callback=for_folder)] = Path(),
    origin: Annotated[str | None, typer.Option("--from", help="A mirror: address or path of the file.")] = None,
) -> None:
    """Download the file that a dataset's authors publish, check it, and print its config entry; resumes if interrupted."""
    from perturb.distribution.downloads import fetch_official

    with transfer_bars() as report:
        path, fetched = fetch_official(name, to, origin=origin, report=report)
    print(f"{path}: {'downloaded' if fetched else 'was there already'}, sha256 as published. In a config, under [dataset]:")
    print(f"path = {json.dumps(str(path), ensure_ascii=False)}")


@dataset_app.command("download")
def download_files(
    name: Annotated[str, typer.Argument(help="A name that the index lists, for example dsprites-modified, or all.")],
    origin: Annotated[str, typer.Option("--from", help="Address or path of the folder with the index.")],
    to: Annotated[Path, typer.Option(readable=False, help="Folder for the files.", callback=for_folder)] = Path(),
    recipe: Annotated[
        bool, typer.Option("--recipe", help="Download only what `build` needs to make the file: megabytes at most.")
    ] = False,
) -> None:
    """Download published benchmark files and check each before it gets its name; resumes if interrupted."""
    from perturb.distribution.downloads import download_published

    with transfer_bars() as report:
        files = download_published(name, origin, to, recipe=recipe, report=report)
    for path, fetched in files:
        print(f"{path}: {'downloaded' if fetched else 'was there already'}, sha256 as in the index")


@dataset_app.command("index")
def index_folder(folder: Annotated[Path, typer.Argument(readable=False, help="A folder with benchmark files.")]) -> None:
    """List a folder's benchmark files with their hashes in its index.json, for `serve` and `download`."""
    from perturb.distribution.index import INDEX, write_index

    require_writable(folder, "FOLDER", folder=True)
    for entry in write_index(folder).entries:
        print(f"{entry.name}: {entry.file}, {entry.bytes:,} bytes")
    print(folder / INDEX)


@dataset_app.command("serve")
def serve_folder(
    folder: Annotated[Path, typer.Argument(readable=False, help="A folder with an index.json.")],
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 lets the whole network read.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0: any free one.", min=0, max=65535)] = 8000,
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not log requests.")] = False,
) -> None:
    """Serve a folder's index.json and the files that it lists over HTTP, read-only, with range requests, until Ctrl-C."""
    from perturb.distribution.server import serve

    serve(folder, host=host, port=port, quiet=quiet)


@dataset_app.command("publish")
def publish_files(
    what: Annotated[
        Path, typer.Argument(readable=False, help="A folder of benchmark files, or the results.json of an experiment.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(readable=False, help="Folder to gather the files of a results.json in.", callback=for_folder),
    ] = None,
    url: Annotated[str | None, typer.Option(help="Future address of the folder, for the card and croissant.json.")] = None,
) -> None:
    """Describe a folder of benchmark files for other people: dataset card, croissant.json, index.json."""
    from datetime import UTC, datetime

    from perturb.distribution.publish import gather, publish

    if what.is_dir() != (out is None):
        raise UserError("--out names the folder for the files of a results.json: give it with one, and not with a folder.")
    require_writable(out or what, "--out" if out else "WHAT", folder=True)
    with Console(stderr=True).status(in_terminal(f"publishing {what}")):
        if out is not None:
            gather(what, out)
        written = publish(out or what, today=datetime.now(UTC).date(), url=url)
    for path in written:
        print(path)


@dataset_app.command("export")
def export_file(
    path: Annotated[Path, typer.Argument(readable=False, help="A benchmark file of dSprites or Shapes3D.")],
    out: Annotated[Path, typer.Option(readable=False, help="An .npz file.", callback=for_file)],
) -> None:
    """Export a benchmark file as an archive that disentanglement_lib's own classes load."""
    from perturb.distribution.export_dlib import export

    with bar(f"exporting {path}") as report:
        export(path, out, report=report)
    print(out)


@dataset_app.command("to-tfds")
def prepare_tfds(
    path: FileArgument,
    out: Annotated[Path, typer.Option(readable=False, help="A data folder of TensorFlow Datasets.", callback=for_folder)],
) -> None:
    """Prepare a benchmark file for TensorFlow Datasets, without TensorFlow; `tfds.data_source` can then read it."""
    from perturb.distribution.export_tfds import prepare

    with bar(f"preparing {path}") as report:
        place = prepare(path, out, report=report)
    print(place)


@contextmanager
def transfer_bars() -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar per file with bytes, speed and time left; yield a function to call with (name, done, total)."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        tasks = {}

        def report(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(in_line(name), completed=done, total=total)
            bars.update(tasks[name], completed=done)

        yield report
