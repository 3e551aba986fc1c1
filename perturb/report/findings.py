"""What the finished runs of an experiment say, in the words of the evaluation room."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from perturb.analysis.variances import Variances
from perturb.config import ExperimentConfig, MethodConfig
from perturb.datasets.ground_truth import FactorGrid
from perturb.datasets.pixels import Pixels
from perturb.objectives.losses import bernoulli_floor
from perturb.perturbation.pattern import sample_of
from perturb.perturbation.selection import over_pruned
from perturb.report.comparisons import comparisons_of
from perturb.report.curves import Curve
from perturb.report.search import SearchPoint
from perturb.runs import read_result
from perturb.statistics.family import Family
from perturb.statistics.scores import BASELINE, Comparison, Row, Score, compare, pooled, summarise
from perturb.training.curve import read_curve
from perturb.variants import UNTRAINED, VariantPattern

GROUPS = "falls", "stands", "baseline"
"""Methods of one claim are averaged in sentences."""


@dataclass(frozen=True)
class Findings:
    """The results of one experiment's finished runs."""

    config: ExperimentConfig
    grid: FactorGrid
    runs: Mapping[str, Path]
    """Folders of the finished runs, by the names that the plan's `report_inputs` gives them."""

    @cached_property
    def results(self) -> dict[str, Any]:
        """The result of every run."""
        return {name: read_result(run) for name, run in self.runs.items()}

    @cached_property
    def scores(self) -> list[Score]:
        """The scores of every evaluation run, in the order of the tables."""
        evaluation = self.config.evaluation
        return [
            self._score(f"scores/{method.name}/{variant}/{seed}", method.name, variant, seed)
            for method in evaluation.methods
            for variant in evaluation.variants
            for seed in evaluation.seeds_of(method)
        ]

    @cached_property
    def curves(self) -> list[Curve]:
        """The losses of every evaluation run's training."""
        return [
            Curve(
                method=score.method,
                variant=score.variant,
                columns=read_curve(self.runs[f"training/{score.method}/{score.variant}/{score.seed}"] / "curve.csv"),
                failed=score.failure is not None,
                floor=self._floors[VariantPattern(score.variant, score.draw).name],
            )
            for score in self.scores
        ]

    @cached_property
    def _floors(self) -> dict[str, float]:
        """The entropy of every column's images, of a large grid that of 10,000."""
        columns = {VariantPattern(score.variant, score.draw).name for score in self.scores}
        numbers = sample_of(self.grid)
        return {name: bernoulli_floor(Pixels.open(self.runs[f"pixels/{name}"]).images(numbers)) for name in columns}

    @cached_property
    def rows(self) -> list[Row]:
        """The tables' cells."""
        return self.family.judged(self._rows)

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """Method by method by the first metric, the pairs of variants of comparisons.py."""
        return self.family.judged(self._comparisons)

    @cached_property
    def averages(self) -> list[Comparison]:
        """Means over each of the `groups`: variants − original by the first metric; of the first what training adds too."""
        return self.family.judged(self._averages)

    @cached_property
    def primary(self) -> list[Comparison]:
        """The primary contrasts."""
        return [
            pooled(self.scores, contrast.metric, methods=contrast.methods, first=contrast.first, second=contrast.second)
            for contrast in self.config.evaluation.primary
        ]

    @cached_property
    def family(self) -> Family:
        """The family of all comparisons but the primary contrasts."""
        return Family([*self._rows, *self._comparisons, *self._averages], primary=self.primary)

    @property
    def groups(self) -> list[tuple[str, ...]]:
        """Names of the methods that sentences speak of together; of an evaluation that has none of them, all methods."""
        methods = self.config.evaluation.methods
        found = [tuple(method.name for method in methods if method.objective.claim == claim) for claim in GROUPS]
        return [names for names in found if names] or [tuple(method.name for method in methods)]

    @cached_property
    def _rows(self) -> list[Row]:
        return summarise(self.scores, self.config.evaluation.metrics)

    @cached_property
    def _comparisons(self) -> list[Comparison]:
        evaluation = self.config.evaluation
        return [
            comparison
            for first, second in comparisons_of(self.config)
            for comparison in compare(self.scores, evaluation.metrics[0], first=first, second=second)
        ]

    @cached_property
    def _averages(self) -> list[Comparison]:
        evaluation = self.config.evaluation
        pairs = [(names, (variant, BASELINE)) for names in self.groups for variant in evaluation.variants[1:]]
        if "modified" in evaluation.variants:
            pairs += [(self.groups[0], ("modified", control)) for control in UNTRAINED if control in evaluation.variants]
        return [
            pooled(self.scores, evaluation.metrics[0], methods=names, first=first, second=second)
            for names, (first, second) in pairs
        ]

    @cached_property
    def search(self) -> list[SearchPoint]:
        """A point for every run of the line search."""
        found = []
        for name in self.results:
            kind, _, path = name.partition("/")
            if kind == "search":
                method, factor, variant, seed = path.rsplit("/", 3)
                found.append(SearchPoint(float(factor), self._score(name, method, variant, int(seed))))
        return found

    def gaps(self, method: MethodConfig) -> dict[str, np.ndarray]:
        """Per-factor MIG of a method's runs, variant → (runs, factors), failed runs left out."""
        found: dict[str, list[list[float]]] = {}
        for variant in self.config.evaluation.variants:
            for seed in self.config.evaluation.seeds_of(method):
                details = self.results[f"scores/{method.name}/{variant}/{seed}"]["details"]
                if details is not None:
                    gaps = [details["mig"][f"mig_factor_{k}"] for k in range(self.grid.num_factors)]
                    found.setdefault(variant, []).append(gaps)
        return {variant: np.array(gaps) for variant, gaps in found.items()}

    @property
    def informativeness(self) -> dict[str, dict[str, list[float]]]:
        """DCI's informativeness of every run that has scores, by method and variant; nothing where DCI is not scored."""
        found: dict[str, dict[str, list[float]]] = {}
        for score in self.scores:
            details = self.results[f"scores/{score.method}/{score.variant}/{score.seed}"]["details"] or {}
            if "dci" in details:
                values = found.setdefault(score.method, {}).setdefault(score.variant, [])
                values.append(details["dci"]["dci_informativeness"])
        return found

    def readouts(self, variant: str) -> list[dict[str, Any]]:
        """Return what each supervised network on a variant reads, factor by factor; nothing without a readout."""
        seeds = range(self.config.readout.seeds) if self.config.readout else ()
        return [self.results[f"readout/{variant}/{seed}"]["factors"] for seed in seeds]

    @cached_property
    def variances(self) -> dict[str, Variances]:
        """The variances that factors and perturbation induce, by variant but the original; empty without a readout."""
        names = [variant for variant in self.config.evaluation.variants if f"variances/{variant}" in self.results]
        adapter = TypeAdapter(Variances)
        return {v: adapter.validate_python(self.results[f"variances/{v}"]) for v in names if v != BASELINE}

    def networks(self, variant: str) -> list[dict[str, Any]]:
        """Results of the networks that draw a variant's patterns: `pattern`, `scalar`, of controls `wanted`; maybe none."""
        found = (self.results.get(f"pattern/{name}") for name in self._columns(variant))
        return [result for result in found if result is not None]

    @property
    def share(self) -> float:
        """Variance of the trained patterns as stored, as a share of the images' own; mean over patterns."""
        return float(np.mean([result["pattern"]["share"] for result in self.networks("modified")]))

    def file_results(self, variant: str) -> list[dict[str, Any]]:
        """Results of a variant's files, a pattern each."""
        return [self.results[f"file/{name}"] for name in self._columns(variant)]

    def files(self, variant: str) -> list[Path]:
        """Folders of a variant's benchmark files, a pattern each."""
        return [self.runs[f"file/{name}"] for name in self._columns(variant)]

    def _columns(self, variant: str) -> list[str]:
        return [VariantPattern(variant, draw).name for draw in range(self.config.draws(variant))]

    def _score(self, name: str, method: str, variant: str, seed: int) -> Score:
        result, limit = self.results[name], self.config.selection.max_unit_variance
        return Score(
            method=method,
            variant=variant,
            seed=seed,
            values=result["scores"],
            failure=result["failure"],
            over_pruned=over_pruned(result["unit_variances"], limit=limit, factors=self.grid.num_factors),
            draw=seed % self.config.draws(variant),
        )
