"""The finished runs of an experiment as scores, rows and comparisons."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from perturb.analysis.variances import Variances
from perturb.config import ExperimentConfig
from perturb.datasets.ground_truth import FactorGrid
from perturb.perturbation.selection import over_pruned
from perturb.report import inputs
from perturb.report.comparisons import comparisons_of
from perturb.runs import read_result
from perturb.statistics.family import Family
from perturb.statistics.scores import BASELINE, Comparison, Row, Score, compare, pooled, summarise
from perturb.variants import UNTRAINED, VariantPattern

GROUPS = "falls", "stands", "baseline"
"""Methods of one claim are averaged in sentences."""


@dataclass(frozen=True)
class Findings:
    """The results of one experiment's finished runs."""

    config: ExperimentConfig
    grid: FactorGrid
    runs: Mapping[str, Path]
    """Folders of the finished runs, by the names of inputs.py."""

    @cached_property
    def results(self) -> dict[str, Any]:
        """The result of every run."""
        return {name: read_result(run) for name, run in self.runs.items()}

    @cached_property
    def scores(self) -> list[Score]:
        """The scores of every evaluation run, in the order of the tables."""
        evaluation = self.config.evaluation
        return [
            self._score(inputs.scores(method.name, variant, seed), method.name, variant, seed)
            for method in evaluation.methods
            for variant in evaluation.variants
            for seed in evaluation.seeds_of(method)
        ]

    @cached_property
    def searched(self) -> dict[inputs.Searched, Score]:
        """The scores of every run of the line search."""
        runs = inputs.searched_among(self.results)
        return {run: self._score(run.name, run.method, run.variant, run.seed) for run in runs}

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

    def readouts(self, variant: str) -> list[dict[str, Any]]:
        """Return what each supervised network on a variant reads, factor by factor; nothing without a readout."""
        seeds = range(self.config.readout.seeds) if self.config.readout else ()
        return [self.results[inputs.readout(variant, seed)]["factors"] for seed in seeds]

    @cached_property
    def variances(self) -> dict[str, Variances]:
        """The variances that factors and perturbation induce, by variant but the original; empty without a readout."""
        variants, adapter = (v for v in self.config.evaluation.variants if v != BASELINE), TypeAdapter(Variances)
        names = {variant: inputs.of_pattern("variances", VariantPattern(variant)) for variant in variants}
        return {v: adapter.validate_python(self.results[name]) for v, name in names.items() if name in self.results}

    def networks(self, variant: str) -> list[dict[str, Any]]:
        """Results of the networks that draw a variant's patterns: `pattern`, `scalar`, of controls `wanted`; maybe none."""
        found = (self.results.get(inputs.of_pattern("pattern", column)) for column in self._columns(variant))
        return [result for result in found if result is not None]

    @property
    def share(self) -> float:
        """Variance of the trained patterns as stored, as a share of the images' own; mean over patterns."""
        return float(np.mean([result["pattern"]["share"] for result in self.networks("modified")]))

    def file_results(self, variant: str) -> list[dict[str, Any]]:
        """Results of a variant's files, a pattern each."""
        return [self.results[inputs.of_pattern("file", column)] for column in self._columns(variant)]

    def files(self, variant: str) -> list[Path]:
        """Folders of a variant's benchmark files, a pattern each."""
        return [self.runs[inputs.of_pattern("file", column)] for column in self._columns(variant)]

    def _columns(self, variant: str) -> list[VariantPattern]:
        return [VariantPattern(variant, draw) for draw in range(self.config.draws(variant))]

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
