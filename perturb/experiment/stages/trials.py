"""Trial trainings: a short training on the images of each candidate pattern, to select the one that leaves the lowest MIG.

Predictions from frozen codes say how strongly a pattern pulls at the beginning of a training, but hardly where the axes of
the retrained model end.
"""

import math
from collections.abc import Sequence

from perturb.config.metrics import MetricsConfig
from perturb.datasets.pixels import Pixels
from perturb.experiment.stages.over_steps import OverStepsRun, train_and_score
from perturb.files import read_json, write_json
from perturb.perturbation.saved_networks import PerturbationRun
from perturb.progress import Part
from perturb.random.seeds import child_seed
from perturb.runs import StageContext, read_config
from perturb.statistics.saved_scores import ScoresRun
from perturb.training.saved_models import TrainingRun

MIGS = "trials.json"


def trial_migs(context: StageContext[PerturbationRun], tries: Sequence[Pixels]) -> list[float | None]:
    """Train a model on the images of each try, all with the same seed, and return the MIG of each.

    Args:
        context: context of the stage. Its input restart-0 says how models are trained, its config for how many steps.
        tries: all images of the grid, as modified by each try.

    Returns:
        The MIG of each try, or None if the training failed or its codes have no MIG. Trials that a killed run had finished
        are read from its scratch folder.

    """
    kept = context.scratch / MIGS
    migs: list[float | None] = read_json(kept) if kept.is_file() else []
    for number in range(len(migs), len(tries)):
        migs.append(_mig(context, tries[number], number, len(tries)))
        write_json(kept, migs)
    return migs


def lowest(migs: Sequence[float | None]) -> int:
    """Return the number of the try with the lowest MIG: the first of equals, without a MIG only if none has one."""
    return min(range(len(migs)), key=lambda number: math.inf if (mig := migs[number]) is None else mig)


def _mig(context: StageContext[PerturbationRun], images: Pixels, number: int, count: int) -> float | None:
    own = context.spec.config
    restart = read_config(context.inputs["restart-0"], TrainingRun)
    training = restart.training.model_copy(update={"steps": own.perturbation.trial_steps})
    config = OverStepsRun(
        training=restart.model_copy(update={"training": training, "seed": child_seed(own.seed, "trial")}),
        scoring=ScoresRun(
            dataset=own.dataset, metrics=("mig",), settings=MetricsConfig(), seed=child_seed(own.seed, "trial scores")
        ),
        steps=(training.steps,),
    )
    scratch = context.scratch / f"trial-{number}"
    scratch.mkdir(exist_ok=True)
    progress = Part(context.progress, number, count)
    result = train_and_score(config, images, scratch=scratch, device=context.device, progress=progress)
    if result.failure is not None:
        return None
    scores = result.points[-1].scores
    return scores["mig"] if scores else None
