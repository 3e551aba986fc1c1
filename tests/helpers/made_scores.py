"""Scores as the tests of tables and figures make them up."""

from perturb.statistics.scores import Score


def made_scores(
    method: str, variant: str, *values: float | None, pruned: tuple[int, ...] = (), draw: int = 0
) -> list[Score]:
    """Scores of seeds 0, 1, …; None is a training that failed, those numbered in `pruned` are over-pruned."""
    return [
        Score(
            method=method,
            variant=variant,
            seed=seed,
            values=None if value is None else {"mig": value},
            failure="loss is NaN" if value is None else None,
            over_pruned=seed in pruned,
            draw=draw,
        )
        for seed, value in enumerate(values)
    ]
