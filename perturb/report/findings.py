"""The finished runs of an experiment as scores, rows and comparisons."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from perturb.analysis.readout import FactorReadout
from perturb.analysis.saved_analyses import CodesResult, ReadoutResult
from perturb.analysis.variances import Variances
from perturb.benchmark.saved_files import FileResult
from perturb.config import ExperimentConfig
from perturb.datasets.ground_truth import FactorGrid
from perturb.perturbation.saved_networks import PatternResult
from perturb.perturbation.selection import Selection, over_pruned
from perturb.report import inputs
from perturb.report.holding import Holding
from perturb.report.sentences import comparisons_of
from perturb.runs import ResultT, read_result
from perturb.statistics.family import Family
from perturb.statistics.saved_scores import ScoresResult
from perturb.statistics.scores import BASELINE, Comparison, Row, Score, compare, pooled, summarise
from perturb.variants import UNTRAINED, VariantPattern

GROUPS = "falls", "stands", "baseline"
"""Claims about methods; sentences average over the methods of one claim."""


@dataclass(frozen=True)
class Findings:
    """The results of one experiment's finished runs."""

    config: ExperimentConfig
    grid: FactorGrid
    runs: Mapping[str, Path]
    """Folders of the finished runs, by their names from inputs.py."""

    def result(self, name: str, kind: type[ResultT]) -> ResultT:
        """Return the result of a run."""
        return read_result(self.runs[name], kind)

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
        runs = inputs.searched_among(self.runs)
        return {run: self._score(run.name, run.method, run.variant, run.seed) for run in runs}

    @cached_property
    def rows(self) -> list[Row]:
        """The cells of the score tables."""
        return self.family.judged(self._rows)

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """Comparisons of the pairs of variants in `comparisons_of`, for each method, by the first metric."""
        return self.family.judged(self._comparisons)

    @cached_property
    def averages(self) -> list[Comparison]:
        """Means over each of the `groups` by the first metric: variants − original.

        For the first group also modified − each of its controls.
        """
        return self.family.judged(self._averages)

    @cached_property
    def primary(self) -> list[Comparison]:
        """The primary contrasts."""
        evaluation = self.config.evaluation
        return [
            pooled(
                self.scores,
                contrast.metric or evaluation.metrics[0],
                methods=contrast.methods,
                first=contrast.first,
                second=contrast.second,
            )
            for contrast in evaluation.primary
        ]

    @cached_property
    def family(self) -> Family:
        """The family of all comparisons except the primary contrasts."""
        return Family([*self._rows, *self._comparisons, *self._averages], primary=self.primary)

    @property
    def groups(self) -> list[tuple[str, ...]]:
        """Names of the methods that sentences describe together; if no method has one of these claims, all methods."""
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
    def held(self) -> dict[tuple[str, str, int], Holding]:
        """The ways in which codes hold the factors, by method, variant and seed; without failed trainings."""
        found = {
            (score.method, score.variant, score.seed): self.result(
                inputs.codes(score.method, score.variant, score.seed), CodesResult
            )
            for score in self.scores
        }
        names = self.grid.names  # files sort them
        return {
            key: Holding(*key[:2], {name: one.factors[name] for name in names})
            for key, one in found.items()
            if one.factors is not None
        }

    def readouts(self, variant: str) -> list[tuple[FactorReadout, ...]]:
        """Return the readouts of each supervised network on a variant, factor by factor; empty without a readout."""
        seeds = range(self.config.readout.seeds) if self.config.readout else ()
        return [self.result(inputs.readout(variant, seed), ReadoutResult).factors for seed in seeds]

    @cached_property
    def variances(self) -> dict[str, Variances]:
        """The variances that factors and perturbation induce, by variant except the original; empty without a readout."""
        variants = (variant for variant in self.config.evaluation.variants if variant != BASELINE)
        names = {variant: inputs.of_pattern("variances", VariantPattern(variant)) for variant in variants}
        return {variant: self.result(name, Variances) for variant, name in names.items() if name in self.runs}

    @cached_property
    def selection(self) -> Selection | None:
        """The restarts that m_ψ is trained against; None if the patterns are published ones."""
        return self.result(inputs.SELECTION, Selection) if inputs.SELECTION in self.runs else None

    def networks(self, variant: str) -> list[PatternResult]:
        """Return the results of the networks that generate a variant's patterns; empty if no network does."""
        names = [inputs.of_pattern("pattern", column) for column in self._columns(variant)]
        return [self.result(name, PatternResult) for name in names if name in self.runs]

    @property
    def share(self) -> float:
        """Variance of the trained patterns as stored, as a share of the images' own, averaged over patterns."""
        return float(np.mean([result.pattern.share for result in self.networks("modified")]))

    def file_results(self, variant: str) -> list[FileResult]:
        """Return the results of a variant's files, one per pattern."""
        return [self.result(inputs.of_pattern("file", column), FileResult) for column in self._columns(variant)]

    def files(self, variant: str) -> list[Path]:
        """Return the folders of a variant's benchmark files, one per pattern."""
        return [self.runs[inputs.of_pattern("file", column)] for column in self._columns(variant)]

    def _columns(self, variant: str) -> list[VariantPattern]:
        return [VariantPattern(variant, draw) for draw in range(self.config.draws(variant))]

    def _score(self, name: str, method: str, variant: str, seed: int) -> Score:
        result, limit = self.result(name, ScoresResult), self.config.selection.max_unit_variance
        return Score(
            method=method,
            variant=variant,
            seed=seed,
            values=result.scores,
            failure=result.failure,
            refused=result.refused,
            over_pruned=over_pruned(result.unit_variances, limit=limit, factors=self.grid.num_factors),
            draw=seed % self.config.draws(variant),
        )
