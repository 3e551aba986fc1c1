"""The agreement of the restarts that m_ψ is trained against: do they represent one kind of solution?"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from perturb.datasets.saved_images import open_images
from perturb.metrics.agreement import Agreement, pairwise_agreement
from perturb.objectives.encode import encode
from perturb.random.seeds import numpy_generator
from perturb.report import inputs
from perturb.report.findings import Findings
from perturb.report.section import Section
from perturb.report.table import Cell, TextTable
from perturb.training.saved_models import load_model

CODED = 2_000
"""Number of images whose codes are compared."""


def sections(findings: Findings, out: Path, device: str) -> Iterator[Section]:
    """Yield the agreement of the codes of each side's models; nothing if no side has several."""
    sides = findings.selection.sides if findings.selection else {}
    found = {side: _agreement(findings, chosen, device) for side, chosen in sides.items() if len(chosen) > 1}
    if not found:
        return
    text = (
        "m_ψ is trained against ensembles. An ensemble represents one kind of solution if its models have the same latents "
        "up to order and sign. Models that agree only after a rotation have different axes, so what they explain on average "
        "has no common axes."
    )
    yield Section(title="Do the chosen models agree?", tables=[_table(found)], explained=[text], folded=True)


def _agreement(findings: Findings, restarts: Sequence[int], device: str) -> list[Agreement]:
    """Measure the agreement of every pair of some restarts, on the same images."""
    total = findings.grid.num_images
    rng = numpy_generator(findings.config.seed, "agreement")
    numbers = np.sort(rng.choice(total, min(CODED, total), replace=False))
    pixels = open_images(findings.runs[inputs.IMAGES])
    coded = [encode(load_model(findings.runs[inputs.trained(index)], device), pixels, numbers) for index in restarts]
    divergences = [(np.square(mean) + np.exp(logvar) - 1 - logvar).mean(axis=0) / 2 for mean, logvar in coded]
    return pairwise_agreement([mean for mean, _ in coded], divergences)


def _table(found: dict[str, list[Agreement]]) -> TextTable:
    def cell(values: list[float]) -> Cell:
        span = (f"{min(values):.2f} to {max(values):.2f}",) if len(values) > 1 else ()
        return Cell(f"{np.mean(values):.2f}", span)

    return TextTable(
        title="Agreement of the codes within each side",
        corner="Side",
        columns=("single latents", "after the best rotation", "pairs"),
        lines=tuple(
            (
                side,
                (cell([one.axes for one in pairs]), cell([one.rotated for one in pairs]), Cell(str(len(pairs)))),
            )
            for side, pairs in found.items()
        ),
        note="Single latents: relative strength of Lasso coefficients between two models, both ways, as in UDR. After the "
        "best rotation: R² of the standardised codes (orthogonal Procrustes). Mean over pairs, below it the range.",
    )
