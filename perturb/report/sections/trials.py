"""Trials of candidate patterns: what short trainings on the images of every candidate say, before one was selected."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from perturb.report.findings import Findings
from perturb.report.section import Section
from perturb.report.table import TextTable, plain_table
from perturb.report.words import signed
from perturb.statistics.intervals import over_clusters


def sections(findings: Findings, out: Path, device: str) -> Iterator[Section]:
    """Yield the section with the MIG of every trial; nothing without trials."""
    found = {
        variant: trials for variant in findings.config.evaluation.variants if (trials := _trials(findings, variant)).size
    }
    if found:
        text = [
            f"Each pattern was selected among candidates: after {findings.config.perturbation.trial_steps:,} steps on its "
            "images, a model had the lowest MIG. The table has all of them, so its means involve no selection."
        ]
        yield Section(title="Trials", text=text, tables=[trials_table(found)])


def _trials(findings: Findings, variant: str) -> np.ndarray:
    """Return the MIG of every candidate of every pattern of a variant, (patterns, candidates); NaN where it has none."""
    return np.array([one.trials for one in findings.networks(variant)], dtype=float)


def trials_table(found: Mapping[str, np.ndarray]) -> TextTable:
    """Build a table with a line for each variant: MIGs, their mean, and how much lower they are on the modified images."""
    lines = []
    for variant, trials in found.items():
        patterns = "; ".join(", ".join(f"{mig:.2f}" if np.isfinite(mig) else "–" for mig in row) for row in trials)
        spread = f"{np.nanmean(trials):.2f} ± {np.nanstd(trials, ddof=1):.2f}"
        lines.append((variant, patterns, spread, _against(found["modified"], trials) if variant != "modified" else "–"))
    note = (
        "MIG after each trial, pattern by pattern; mean ± standard deviation over all trials; modified − this variant, with "
        "its 95 % interval over patterns (Student's t on the means of a pattern's trials, paired by pattern). The "
        "candidates of a pattern share a model seed."
    )
    return plain_table("MIG after every trial", ("Variant", "trials", "mean", "modified − variant"), lines, note=note)


def _against(modified: np.ndarray, trials: np.ndarray) -> str:
    """Return the mean difference between patterns' means, with its interval; only patterns that both variants have count."""
    pairs = min(len(modified), len(trials))
    found = over_clusters((np.nanmean(modified[:pairs], axis=1) - np.nanmean(trials[:pairs], axis=1))[None])
    low, high = found.interval
    return signed(found.mean) + (f" [{signed(low)}, {signed(high)}]" if low is not None else "")
