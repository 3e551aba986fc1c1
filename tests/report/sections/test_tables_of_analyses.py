from perturb.analysis.readout import FactorReadout
from perturb.analysis.variances import FactorVariance, Induced, Variances
from perturb.perturbation.saved_networks import PatternResult
from perturb.perturbation.scalar import ScalarEffects
from perturb.perturbation.stored import PatternStatistics
from perturb.report.sections.readout import global_table, local_table, readout_table
from perturb.report.sections.scalar import scalar_table
from perturb.report.sections.scores import informativeness_table
from perturb.report.table import TextTable


def _texts(table: TextTable) -> dict[str, list[str]]:
    return {name: [", ".join([cell.text, *cell.details]) for cell in cells] for name, cells in table.lines}


def test_readout_accuracies_are_tabulated_beside_chance() -> None:
    found = {"original": (1.0, 819), "modified": (0.995, 800)}
    readouts = {name: [FactorReadout("wall_hue", accuracy, 0.11, 8, n)] for name, (accuracy, n) in found.items()}
    table = readout_table(readouts)
    assert table.columns == ("original", "modified", "chance")
    assert _texts(table) == {"wall hue": ["100.0%", "99.5%", "11.0%"]}
    assert table.note == "n = 800 to 819 images that it was not trained on."


def test_variance_tables_have_one_row_for_the_original_and_two_per_variant() -> None:
    factor = FactorVariance("wall_hue", Induced(50.0, 0.25, 40.0), Induced(10.0, 25.0, 30.0))
    found = Variances(total=Induced(200.0, 1.0, 160.0), magnitude=0.0123, factors=(factor,), images=500, whole_grid=False)
    dash = "modified\u00a0− original"
    assert _texts(global_table({"modified": found})) == {
        "original": ["50.0, 25%", "200"], dash: ["0.250, 25%", "1.00"], "modified": ["40.0, 25%", "160"],
    }  # fmt: skip
    local = local_table({"modified": found})
    assert _texts(local) == {"original": ["10.0", "–"], dash: ["25.0, ×2.5", "0.0123"], "modified": ["30.0", "–"]}
    assert local.columns == ("wall hue", "size of δ")
    assert "estimated from 500 images drawn from the grid" in local.note


def _network(*total: float) -> PatternResult:
    scalar = ScalarEffects(main=(0.1, 0.6), total=total, linear=0.5)
    pattern = PatternStatistics(variance=0.5, mean_square=0.6, local=0.617, share=0.25, drawn_variation=0.9)
    return PatternResult(pattern=pattern, scalar=scalar)


def test_scalars_have_a_row_per_pattern_or_one_mean_row_for_many_patterns() -> None:
    table = scalar_table(
        {"modified": [_network(0.5, 0.5), _network(1.0, 0.0)], "untrained": [_network(0.4, 0.9)] * 4}, ["wall_hue", "size"]
    )
    assert table.columns[:2] == ("wall hue", "size")
    rest = ["0.50", "25%", "1.23"]
    assert _texts(table) == {
        "modified": ["0.10, 0.50", "0.60, 0.50", "2.00", *rest],
        "modified-2": ["0.10, 1.00", "0.60, 0.00", "1.00", *rest],
        "untrained, mean of 4": ["0.10, 0.40", "0.60, 0.90", "1.85", *rest],
    }


def test_informativeness_has_a_dash_where_no_run_has_scores() -> None:
    table = informativeness_table({"A": {"original": [0.8, 0.9], "modified": [0.5]}, "B": {"original": [0.7]}})
    assert table.columns == ("original", "modified")
    assert {name: [cell.text for cell in cells] for name, cells in table.lines} == {
        "A": ["0.85 ± 0.07", "0.50"],
        "B": ["0.70", "–"],
    }
