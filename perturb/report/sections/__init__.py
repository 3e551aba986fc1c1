"""The sections of a report, in the order of the page: one file per section, with its figures, tables and text.

To add one, write a module with a function like the others' `sections`, which yields nothing if the experiment does not ask
for it, and add it to the table. Increase the version of the stage `report` (perturb/experiment/stages/__init__.py), so that
reports are rebuilt.
"""

from collections.abc import Iterator
from pathlib import Path

from perturb.report.findings import Findings
from perturb.report.section import Section
from perturb.report.sections import (
    codes,
    contrasts,
    curves,
    differences,
    distribution,
    ensembles,
    images,
    line_search,
    methods,
    perturbation,
    readout,
    scores,
    traversals,
    trials,
)

SECTIONS = (
    contrasts.sections,
    scores.sections,
    images.sections,
    perturbation.sections,
    trials.sections,
    codes.sections,
    differences.sections,
    line_search.sections,
    readout.sections,
    distribution.sections,
    traversals.sections,
    ensembles.sections,
    curves.sections,
    methods.sections,
)


def sections_of(findings: Findings, out: Path, device: str) -> Iterator[Section]:
    """Yield the sections of an experiment's report.

    Args:
        findings: Findings of the finished runs.
        out: Folder for the figures.
        device: Torch device for the models that sections load.

    """
    for sections in SECTIONS:
        yield from sections(findings, out, device)
