"""The names by which a report refers to its runs."""

import pytest

from perturb.report import inputs
from perturb.variants import VariantPattern


@pytest.mark.parametrize("method", ["β-VAE", "a / b", "PCL/3"])
@pytest.mark.parametrize("factor", [0.75, 1 / 3, 1e-7, 2.0])
def test_a_line_search_run_can_be_recovered_from_its_name(method: str, factor: float) -> None:
    run = inputs.Searched(method, factor, "modified", 3)
    assert list(inputs.searched_among(["scores/β-VAE/modified/3", run.name, inputs.IMAGES])) == [run]


def test_every_run_of_a_report_has_a_distinct_name() -> None:
    first, second = VariantPattern("modified"), VariantPattern("modified", 1)
    names = [
        inputs.IMAGES, inputs.SELECTION, inputs.restart(0), inputs.trained(0), inputs.scores("A", "modified", 0),
        inputs.training("A", "modified", 0), inputs.readout("modified", 0), inputs.Searched("A", 1.0, "modified", 0).name,
        *(inputs.of_pattern(kind, pattern) for kind in ("pattern", "file", "pixels") for pattern in (first, second)),
    ]  # fmt: skip
    assert len(names) == len(set(names))
