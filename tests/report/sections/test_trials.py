"""The table of trials, on known MIGs."""

import numpy as np

from perturb.report.sections.trials import trials_table


def test_every_trial_is_listed_and_variants_are_paired_by_pattern() -> None:
    modified = np.array([[0.1, 0.2], [0.2, np.nan], [0.1, 0.3]])
    untrained = np.array([[0.4, 0.4], [0.5, 0.3], [0.4, 0.6]])
    table = trials_table({"modified": modified, "untrained": untrained})
    (first, cells), (second, others) = table.lines
    assert (first, second) == ("modified", "untrained")
    assert [cell.text for cell in cells] == ["0.10, 0.20; 0.20, –; 0.10, 0.30", "0.18 ± 0.08", "–"]
    assert [cell.text for cell in others] == ["0.40, 0.40; 0.50, 0.30; 0.40, 0.60", "0.43 ± 0.10", "−0.25 [−0.37, −0.13]"]


def test_one_pattern_has_no_interval() -> None:
    one = np.array([[0.1, 0.2]])
    table = trials_table({"modified": one, "untrained": one + 0.2})
    assert table.lines[1][1][2].text == "−0.20"
