"""The primary contrasts, and how changes are distinguished from chance."""

from collections.abc import Iterator
from pathlib import Path

from perturb.report.findings import Findings
from perturb.report.section import Section
from perturb.report.tables import contrast_table


def sections(findings: Findings, out: Path, device: str) -> Iterator[Section]:
    """Yield the section with the primary contrasts, which also explains how changes are distinguished from chance."""
    primary, others = findings.primary, len(findings.family)
    text = []
    if primary:
        text.append(
            "What the experiment is about: each contrast is judged by itself at the 5 % level, by its own 95 % interval."
        )
    explained = [
        f"{'All other' if primary else 'All'} comparisons of this report, {others} of them, form one family: every variant "
        "against the original by method, average and metric, and the comparisons between variants. A change may be chance "
        "unless its p-value, adjusted for the family by Holm's method, is below 0.05. The 95 % intervals are the plain "
        "ones, not adjusted, so one may exclude 0 all the same.",
        "Changes are first − second, paired by seed; intervals and two-sided p-values are Student's t.",
    ]
    tables = [contrast_table(primary)] if primary else []
    title = "Primary contrasts" if primary else "How changes are judged"
    yield Section(title=title, text=text, explained=explained, tables=tables)
