"""The sections of a report, in the order of the page: one file a section, with its figures, tables and text.

To add one, write a module with a function like the others' `sections`, which yields nothing where the experiment has not
asked for it, and put it into the table. Raise the version of the stage `report`
(perturb/experiment/stages/__init__.py), so that reports are made again.
"""

from collections.abc import Iterator
from pathlib import Path

from perturb.report.findings import Findings
from perturb.report.section import Section
from perturb.report.sections import (
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
)

SECTIONS = (
    contrasts.sections,
    scores.sections,
    images.sections,
    perturbation.sections,
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
    """The sections of an experiment's report.

    Args:
        findings: of the finished runs.
        out: folder that figures are drawn into.
        device: of torch, for the models that are looked at.

    """
    for sections in SECTIONS:
        yield from sections(findings, out, device)
