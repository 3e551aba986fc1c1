from perturb.report.sections.prediction import PredictedPattern, correlations


def _patterns(variant: str, predicted: list[float], measured: list[float]) -> list[PredictedPattern]:
    pairs = enumerate(zip(predicted, measured, strict=True))
    return [
        PredictedPattern(
            variant=variant, name=f"{variant}-{k}", saving=-y, predicted=x, predicted_whole=x + 10 * y, measured=y
        )
        for k, (x, y) in pairs
    ]


STRONG = _patterns("modified", [0.6, 0.61, 0.62, 0.63, 0.64], [0.5, 0.51, 0.52, 0.53, 0.54])
WEAK = _patterns("untrained", [0.1, 0.11, 0.12, 0.13, 0.14], [0.24, 0.23, 0.22, 0.21, 0.2])


def test_correlations_are_reported_over_all_patterns_and_within_each_variant() -> None:
    assert correlations([*STRONG, *WEAK]) == (
        "Over these 10 patterns, Spearman's rank correlation of predicted and measured loss is 0.76; within a kind it is "
        "1.00 over the 5 of modified and −1.00 over the 5 of untrained. Predicted from the whole image it is 1.00; the "
        "correlation of saving and measured loss is −1.00."
    )


def test_correlations_within_a_variant_need_five_patterns_and_a_second_variant() -> None:
    assert "loss is 0.83; within a kind it is 1.00 over the 5 of modified. Predicted" in correlations([*STRONG, *WEAK[:4]])
    assert "loss is 1.00. Predicted" in correlations(STRONG)
    assert correlations(STRONG[:2]) == ""
