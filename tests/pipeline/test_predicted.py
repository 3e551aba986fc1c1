from perturb.evaluation.figures_prediction import PredictedPattern
from perturb.pipeline.stages.predicted import correlations


def _patterns(variant: str, predicted: list[float], measured: list[float]) -> list[PredictedPattern]:
    pairs = enumerate(zip(predicted, measured, strict=True))
    return [
        PredictedPattern(variant=variant, name=f"{variant}-{k}", gain=1.0, predicted=x, measured=y) for k, (x, y) in pairs
    ]


STRONG = _patterns("modified", [0.6, 0.61, 0.62, 0.63, 0.64], [0.5, 0.51, 0.52, 0.53, 0.54])
WEAK = _patterns("untrained", [0.1, 0.11, 0.12, 0.13, 0.14], [0.24, 0.23, 0.22, 0.21, 0.2])


def test_correlations_are_told_over_all_patterns_and_within_each_kind() -> None:
    told = correlations([*STRONG, *WEAK])
    assert told.startswith(" Over these 10 patterns, Spearman's rank correlation is 0.76;")
    assert told.endswith("; within a kind it is 1.00 over the 5 of modified and −1.00 over the 5 of untrained.")


def test_within_kinds_of_few_patterns_and_within_the_only_one_nothing_is_told() -> None:
    assert correlations([*STRONG, *WEAK[:4]]).endswith("is 0.83; within a kind it is 1.00 over the 5 of modified.")
    assert correlations(STRONG) == " Over these 5 patterns, Spearman's rank correlation is 1.00."
    assert correlations(STRONG[:2]) == ""
