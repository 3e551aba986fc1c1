"""Made-up scores for tests of tables and figures."""

from perturb.statistics.scores import Score


def made_scores(
    method: str, variant: str, *values: float | None, pruned: tuple[int, ...] = (), draw: int = 0
) -> list[Score]:
    """Scores of seeds 0, 1, …; None stands for a failed training. Seeds in `pruned` are over-pruned."""
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
