"""The results method by method, in sentences."""

from collections.abc import Iterator
from pathlib import Path

from perturb.report.findings import Findings
from perturb.report.section import Section
from perturb.report.sentences import method_sentences


def sections(findings: Findings, out: Path, device: str) -> Iterator[Section]:
    """Yield the section with a sentence for every method and metric."""
    metrics = findings.config.evaluation.metrics
    points = [sentence for metric in metrics for sentence in method_sentences(findings.rows, metric)]
    yield Section(title="Method by method", points=points, folded=True)
