"""Tables and JSON that describe ground truths, benchmark files and metrics."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich import box, filesize
from rich.table import Table
from rich.text import Text

from perturb.config.metrics import MetricsConfig
from perturb.datasets import DATASETS, Dataset, GroundTruth
from perturb.datasets.hdf5.reader import REMEDY, arrays_of
from perturb.datasets.synthetic import SAMPLES, SYNTHETIC, Synthetic
from perturb.distribution.index import Entry
from perturb.entries.packaged import BENCHMARKS, published_index, recipes
from perturb.errors import UserError, guess
from perturb.escapes import in_line
from perturb.metrics import METRICS, Metric
from perturb.progress import duration
from perturb.reading import attributes_of, opened_hdf5

LONGEST_VALUE = 4_000
"""Number of characters to show of a name or value in a file."""


def table_of_datasets() -> Table:
    """Return a table with one row per dataset.

    Columns: key, number of images, their size, factors with their numbers of values (the last varies fastest), sources.
    """
    table = Table(show_lines=True, box=box.HORIZONTALS, pad_edge=False)
    for header in ("dataset", "images", "of", "factors", "from"):
        table.add_column(header, justify="right" if header == "images" else "left", no_wrap=header in ("dataset", "of"))
    for name, dataset in DATASETS.items():
        grid = dataset.kind.grid
        factors = "\n".join(f"{factor} {size}" for factor, size in zip(grid.names, grid.sizes, strict=True))
        sources = "\n".join(source for source, there in _sources(dataset).items() if there)
        table.add_row(name, f"{grid.num_images:,}", _size(dataset.kind.image_shape), factors, sources)
    return table


def table_of_benchmarks(benchmarks: Iterable[str] = BENCHMARKS) -> Table:
    """Return a table with one row per variant that the package can make: file names, ε, file size, time to make one."""
    caption = "`perturb dataset get NAME` makes a file; `made in` is the time it took on the machine that first made it."
    table = Table(box=box.HORIZONTALS, pad_edge=False, caption=caption, caption_justify="left")
    table.add_column("benchmark file")
    for header in ("ε", "size", "made in"):
        table.add_column(header, justify="right", no_wrap=True)
    for benchmark in benchmarks:
        there = {entry.name: entry for entry in published_index(benchmark).entries}
        variants: dict[str, list[Entry]] = {}
        for column in recipes(benchmark):
            variants.setdefault(column.variant, []).append(there[f"{benchmark}-{column.name}"])
        for variant, entries in variants.items():
            names = f"{benchmark}-{variant}" + (f", -2 to -{len(entries)}" if len(entries) > 1 else "")
            table.add_row(names, f"{entries[0].epsilon:g}", *_cost(entries[0]))
    return table


def _cost(entry: Entry) -> tuple[str, str]:
    """Return an entry's size and time in human-readable form."""
    size = filesize.decimal(entry.bytes) if entry.bytes else "–"
    return size, duration(entry.seconds) if entry.seconds is not None else "–"


def table_of_vectors() -> Table:
    """Return a table with one row per synthetic set: key, number of samples, size of an observation, description."""
    table = Table(box=box.HORIZONTALS, pad_edge=False)
    for header in ("synthetic set", "samples", "of", "what"):
        table.add_column(header, justify="right" if header == "samples" else "left", no_wrap=header != "what")
    for name, made in SYNTHETIC.items():
        table.add_row(name, f"{SAMPLES:,}", f"{made.dimensions} numbers", made.description)
    return table


def datasets_as_json() -> dict[str, Any]:
    """Return the contents of the three tables of `perturb dataset list`; unknown bytes and seconds are None."""
    return {
        "datasets": {
            name: {
                "images": dataset.kind.grid.num_images,
                "image_shape": dataset.kind.image_shape,
                "factors": dict(zip(dataset.kind.grid.names, dataset.kind.grid.sizes, strict=True)),
                "sources": [source for source, there in _sources(dataset).items() if there],
            }
            for name, dataset in DATASETS.items()
        },
        "benchmark_files": [
            {key: getattr(entry, key) for key in ("name", "dataset", "variant", "epsilon", "images", "bytes", "seconds")}
            for benchmark in BENCHMARKS
            for entry in published_index(benchmark).entries
        ],
        "synthetic_sets": {
            name: {"samples": SAMPLES, "dimensions": made.dimensions, "description": made.description}
            for name, made in SYNTHETIC.items()
        },
    }


def described_as_json(name_or_file: str) -> dict[str, Any]:
    """Return the contents of `described`: a dataset's factors and their values, or a file's arrays and attributes.

    Raises:
        UserError: as for `described`.

    """
    if name_or_file in DATASETS:
        truth = DATASETS[name_or_file].kind
        values = (each.tolist() for each in truth.factor_values)
        factors = dict(zip(truth.grid.names, values, strict=True))
        return {"name": truth.name, "images": truth.grid.num_images, "image_shape": truth.image_shape, "factors": factors}
    if name_or_file in SYNTHETIC:
        made = SYNTHETIC[name_or_file]
        return {"name": made.name, "dimensions": made.dimensions, "factors": made.factor_names}
    with opened_hdf5(_existing(name_or_file), REMEDY) as file:
        arrays = {name: {"dtype": dtype, "shape": shape} for name, (dtype, shape) in arrays_of(file).items()}
        return {"file": name_or_file, "arrays": arrays, "attributes": dict(sorted(attributes_of(file).items()))}


def described(name_or_file: str) -> list[Table]:
    """Describe a dataset by its key, with the benchmark files that can be made from it, or a benchmark file by its path.

    Raises:
        UserError: it is neither, or the file cannot be read.

    """
    if name_or_file in DATASETS:
        made = [table_of_benchmarks([name_or_file])] if name_or_file in BENCHMARKS and recipes(name_or_file) else []
        return [_of_dataset(DATASETS[name_or_file].kind), *made]
    if name_or_file in SYNTHETIC:
        return [_of_vectors(SYNTHETIC[name_or_file])]
    return [_of_file(_existing(name_or_file))]


def _existing(name_or_file: str) -> Path:
    path = Path(name_or_file)
    if not path.is_file():
        known = [*DATASETS, *SYNTHETIC]
        raise UserError(f"{name_or_file} is neither a dataset ({', '.join(known)}) nor a file{guess(name_or_file, known)}.")
    return path


def _sources(dataset: Dataset) -> dict[str, object]:
    return {"renderer": dataset.renderer, "file": dataset.official_file, "TFDS": dataset.tfds_folder}


def _of_dataset(truth: type[GroundTruth]) -> Table:
    table = Table(
        title=f"{truth.name}: {truth.grid.num_images:,} images of {_size(truth.image_shape)}", title_justify="left"
    )
    for header in ("factor", "values", "from", "to"):
        table.add_column(header, justify="left" if header == "factor" else "right")
    for name, values in zip(truth.grid.names, truth.factor_values, strict=True):
        table.add_row(name, str(len(values)), f"{values[0]:g}", f"{values[-1]:g}")
    return table


def _of_vectors(made: Synthetic) -> Table:
    table = Table(title=f"{made.name}: {made.description}, {made.dimensions} numbers a sample", title_justify="left")
    for header in ("factor", "law"):
        table.add_column(header)
    for name in made.factor_names:
        table.add_row(name, "uniform on [0, 1)")
    return table


def _of_file(path: Path) -> Table:
    table = Table(title=_shown(path), title_justify="left", show_header=False)
    with opened_hdf5(path, REMEDY) as file:
        for name, (dtype, shape) in arrays_of(file).items():
            table.add_row(_shown(name), _shown(f"{dtype} {shape}"))
        for name, value in sorted(attributes_of(file).items()):
            table.add_row(_shown(name), _shown(value))
    return table


def _shown(value: object) -> Text:
    """Return an untrusted name or value from a file as text in which neither markup nor escape codes take effect."""
    return Text(in_line(str(value), LONGEST_VALUE), overflow="fold")


def _size(shape: tuple[int, int, int]) -> str:
    height, width, channels = shape
    return f"{height} × {width}, {'grey' if channels == 1 else 'RGB'}"


def table_of_metrics() -> Table:
    """Return a table with one row per metric.

    Columns: key, title and source; range, with an arrow towards better; cost; settings, with the fast ones in brackets.
    """
    table = Table(show_lines=True)
    for header in ("metric", "range", "cost", "settings (fast)"):
        table.add_column(header, no_wrap=header != "metric")
    for name, metric in METRICS.items():
        described = f"[bold]{name}[/bold]\n{metric.title}\n{metric.source}"
        table.add_row(described, _range(metric), metric.cost, _settings(name, metric))
    return table


def metrics_as_json() -> dict[str, Any]:
    """Return the contents of the table of metrics by key; the upper end of an unbounded range is None."""
    return {
        name: {
            "title": metric.title,
            "source": metric.source,
            "range": metric.range,
            "higher_is_better": metric.higher_is_better,
            "cost": metric.cost,
            "settings": getattr(MetricsConfig(), name).model_dump(mode="json"),
            "fast": metric.fast.model_dump(mode="json"),
        }
        for name, metric in METRICS.items()
    }


def _range(metric: Metric) -> str:
    low, high = metric.range
    return f"{low:g} to {'∞' if high is None else f'{high:g}'} {'↑' if metric.higher_is_better else '↓'}"


def _settings(name: str, metric: Metric) -> str:
    default, fast = (settings.model_dump() for settings in (getattr(MetricsConfig(), name), metric.fast))
    cheaper = {key: f" ({_short(fast[key])})" for key in default if fast[key] != default[key]}
    return "\n".join(f"{key} {_short(value)}{cheaper.get(key, '')}" for key, value in default.items())


def _short(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
