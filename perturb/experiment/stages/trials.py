"""Trial trainings: the MIG that a short training keeps on the images of patterns among which one is yet to be chosen.

Predictions from frozen codes say how strongly a pattern pulls where a training begins. Where the axes of a retrained model
end, they hardly say. A model that is trained for a third of the way says it well, and takes as long as the pattern did.
"""

import math
from collections.abc import Sequence

from perturb.config.metrics import MetricsConfig
from perturb.datasets import grid_of
from perturb.datasets.pixels import Pixels
from perturb.experiment.stages.training import scores_of
from perturb.files import read_json, write_json
from perturb.perturbation.saved_networks import PerturbationRun
from perturb.progress import Part
from perturb.random.philox import CounterRNG
from perturb.random.seeds import child_seed
from perturb.runs import StageContext, read_config
from perturb.statistics.saved_scores import ScoresRun
from perturb.training import train
from perturb.training.saved_models import TrainingRun, new_model, trained_model

MIGS = "trials.json"


def trial_migs(context: StageContext[PerturbationRun], tries: Sequence[Pixels]) -> list[float | None]:
    """Train a model on the images of each try, all with the same seed, and return the MIG of each.

    Args:
        context: of the stage; its input restart-0 says how models are trained, and its config for how many steps.
        tries: all images of the grid as each try has them.

    Returns:
        A MIG for each try, None where the training failed or its codes have none. Those that a killed run had finished are
        read from its scratch folder.

    """
    kept = context.scratch / MIGS
    migs: list[float | None] = read_json(kept) if kept.is_file() else []
    for number in range(len(migs), len(tries)):
        migs.append(_mig(context, tries[number], number, len(tries)))
        write_json(kept, migs)
    return migs


def lowest(migs: Sequence[float | None]) -> int:
    """Return which try has the lowest MIG: the first of equals, one without a MIG only where none has any."""
    return min(range(len(migs)), key=lambda number: math.inf if (mig := migs[number]) is None else mig)


def _mig(context: StageContext[PerturbationRun], images: Pixels, number: int, count: int) -> float | None:
    own = context.spec.config
    seed = child_seed(own.seed, "trial")
    restart = read_config(context.inputs["restart-0"], TrainingRun)
    training = restart.training.model_copy(update={"steps": own.perturbation.trial_steps})
    config = restart.model_copy(update={"training": training, "seed": seed})
    objective = new_model(config, channels=images.channels, seeds=[seed], device=context.device)
    (outcome,) = train(
        objective,
        [images],
        grid_of(own.dataset),
        training,
        draws=CounterRNG([seed], context.device),
        checkpoints=[context.scratch / f"trial-{number}.safetensors"],
        progress=Part(context.progress, number, count),
    )
    if outcome.failure is not None:
        return None
    model = trained_model(config, objective.networks.state_dict(), channels=images.channels, device=context.device)
    scoring = ScoresRun(
        dataset=own.dataset, metrics=("mig",), settings=MetricsConfig(), seed=child_seed(own.seed, "trial scores")
    )
    scores = scores_of(model, images, scoring).scores
    return scores["mig"] if scores else None
