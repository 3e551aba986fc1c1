"""The result of an evaluation: an entry, its rows, a table with the built-in methods, and one sentence."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from perturb.datasets.hdf5.reader import BenchmarkFile
from perturb.entries.entry import Entry, MetricOfEntry, rows_of, scores_of
from perturb.entries.packaged import beside, published_rows
from perturb.errors import UserError
from perturb.external.axes_shown import axes_sentence, axes_table
from perturb.external.benchmarks import Benchmark
from perturb.external.factors import factors_sentence, factors_table
from perturb.files import read_json
from perturb.metrics import METRICS
from perturb.report.sentences import model_sentence
from perturb.report.table import TextTable
from perturb.report.tables import as_markdown
from perturb.statistics.scores import Row


@dataclass(frozen=True)
class Result:
    """The scores of one model on one benchmark."""

    entry: Entry
    others: Sequence[Row]
    """Rows of the built-in methods on the same benchmark, as far as available."""
    folder: Path | None = None
    """The folder of entry.json and the finished runs; None if they were not kept."""
    without_axes: Mapping[int, str] = field(default_factory=dict[int, str])
    """Reasons why no images could be measured in the axes of a model's codes, by seed number."""
    rows: list[Row] = field(init=False)
    """A row for each metric and variant: mean, standard deviation, difference from the original with its interval."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", rows_of(self.entry))

    @property
    def sentence(self) -> str:
        """One sentence on how much of the first metric survives each variant, with its interval."""
        return model_sentence(scores_of(self.entry), self.entry.metrics[0].name)

    @property
    def axes(self) -> TextTable | None:
        """The table of each variant's cost along the axes of the model's codes; None if it was not measured."""
        return axes_table(self.entry)

    @property
    def axes_sentence(self) -> str | None:
        """One sentence on the table `axes`; None if nothing was measured on the originals."""
        return axes_sentence(self.entry)

    @property
    def factors(self) -> TextTable | None:
        """The table of how the model's codes hold the factors on each variant; None if it was not measured."""
        return factors_table(self.entry)

    @property
    def factors_sentence(self) -> str | None:
        """One sentence on the table `factors`; None if nothing was measured."""
        return factors_sentence(self.entry)

    @property
    def all_rows(self) -> list[Row]:
        """The rows of the built-in methods, then this model's."""
        return [*beside(self.rows, self.others), *self.rows]

    @property
    def failures(self) -> list[str]:
        """A line for each run that failed."""
        return [f"{run.variant}, seed {run.seed}: {run.failure}" for run in self.entry.runs if run.failure is not None]

    @property
    def refusals(self) -> list[str]:
        """A line for each metric without a value in some runs, with the reason and the number of runs."""
        found = Counter((name, reason) for run in self.entry.runs for name, reason in run.refused.items())
        return [
            f"{METRICS[name].title}, {times} of {len(self.entry.runs)} runs: {reason}"
            for (name, reason), times in found.items()
        ]

    @property
    def unmeasured(self) -> list[str]:
        """A line for each reason why images could not be measured in models' axes, with the number of models."""
        found = Counter(self.without_axes.values())
        return [f"{times} of {len(self.entry.seeds)} models: {reason}" for reason, times in found.items()]

    def table(self) -> str:
        """Return a table of the model and the built-in methods, in Markdown."""
        return as_markdown(self.all_rows)


def rows_beside(found: Benchmark, metrics: Sequence[MetricOfEntry]) -> list[Row]:
    """Return the rows of the built-in methods on a benchmark: the published rows, or those of the run that wrote its files.

    Args:
        found: the benchmark.
        metrics: the metrics; rows with other settings of a metric are not comparable and are left out.

    Raises:
        UserError: the benchmark's results.json is not one of `perturb run`.

    """
    if found.results is None:
        return published_rows(found.name, metrics)
    try:
        results = read_json(found.results)
        same = {metric.name for metric in metrics if results["metrics"][metric.name] == metric.settings}
        return [row for row in TypeAdapter(list[Row]).validate_python(results["rows"]) if row.metric in same]
    except (KeyError, TypeError, ValueError):
        raise UserError(
            f"{found.results}: must be a results.json of `perturb run`, which has the rows of a table."
        ) from None


def epsilon_of(files: Sequence[BenchmarkFile]) -> float:
    """Return the largest ε of some files; the original's is 0."""
    return max(file.epsilon for file in files)
