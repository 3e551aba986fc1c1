"""The course of a training: MIG, the gaps of single factors and the units' variances over the steps of a config."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from perturb.datasets import open_ground_truth
from perturb.errors import UserError
from perturb.experiment.checks import check_sizes
from perturb.experiment.specs import Namer
from perturb.experiment.stages import STAGES
from perturb.experiment.stages.over_steps import OverStepsResult
from perturb.instruments.instrument import Answer, Instrument, Settings
from perturb.instruments.subject import Subjects
from perturb.progress import bar
from perturb.random.seeds import child_seed
from perturb.report import style
from perturb.report.section import Picture, Section
from perturb.report.table import TextTable, plain_table
from perturb.runs import Store
from perturb.statistics.intervals import over_clusters
from perturb.training.loop import ACTIVE

EVENLY, DOUBLINGS = 10, 3
"""Parts of a training after each of which it is scored, and the number of times that the first of them is halved."""
RISEN = 0.9
"""The share of its last value at which a MIG has risen."""
COLOUR, MARK = "#4477aa", "#cc3311"


@dataclass(frozen=True, kw_only=True)
class Course:
    """Scores of models of one config after the same numbers of steps."""

    steps: tuple[int, ...]
    factors: tuple[str, ...]
    migs: np.ndarray
    """MIG, (models, steps); NaN where it is not defined."""
    gaps: np.ndarray
    """The gap of each factor, (models, steps, factors); NaN where it is not defined."""
    variances: np.ndarray
    """E[σ²] of each unit, ascending, (models, steps, latents)."""

    @property
    def risen(self) -> int:
        """The first step after which the mean MIG stays above nine tenths of its last value."""
        below = np.flatnonzero(self.migs.mean(axis=0) < RISEN * self.migs[:, -1].mean())
        return self.steps[below[-1] + 1] if len(below) else self.steps[0]


def answer(subjects: Subjects, settings: Settings) -> Answer:
    """Train the experiment's β-VAEs anew, and look at each of them after more and more steps."""
    found = _trained(subjects, settings)
    path = settings.folder / "mig-over-steps.png"
    draw_course(path, found)
    verdict = _verdict(found)
    caption = (
        "Top: MIG of every model, and the mean. Middle: the gap of each factor, mean over models. Bottom: E[σ²] of every "
        f"unit of every model; dashed: {ACTIVE}, from which a unit counts as pruned."
    )
    alt = f"Three panels over the steps of the training: MIG, the gaps of single factors, posterior variances. {verdict}"
    section = Section(
        title="MIG over steps",
        text=_text(subjects, settings),
        figures=[Picture(path, caption, alt)],
        tables=[_table(found)],
    )
    return Answer(verdict=verdict, section=section, numbers=_numbers(found))


def points(steps: int) -> tuple[int, ...]:
    """Numbers of steps after which a training of `steps` is scored: every tenth of it, and earlier in halves."""
    tenth = steps / EVENLY
    early = [tenth / 2**halving for halving in range(DOUBLINGS, 0, -1)]
    late = [tenth * part for part in range(1, EVENLY + 1)]
    return tuple(dict.fromkeys(max(1, round(step)) for step in (*early, *late)))


def _trained(subjects: Subjects, settings: Settings) -> Course:
    config = subjects.config
    truth = open_ground_truth(config.dataset)
    check_sizes(config, truth)
    namer = Namer(config.model_copy(update={"seed": child_seed(config.seed, "over steps", settings.seed)}), truth)
    store = Store(subjects.artifacts, STAGES, device=settings.device)
    steps = points(config.training.steps)
    specs = [namer.over_steps(namer.images(), index, steps) for index in range(settings.seeds)]
    with bar("trainings") as tell:
        for done, spec in enumerate(specs):
            tell(done, len(specs))
            store.ensure(spec)
    results = [store.result(spec, OverStepsResult) for spec in specs]
    whole = [one.points for one in results if one.failure is None]
    if not whole:
        raise UserError(f"{subjects.name}: {results[0].failure}, and so all {len(specs)} trainings.")
    names = [f"mig_factor_{index}" for index in range(truth.grid.num_factors)]
    details = [[(scores.details or {}).get("mig", {}) for scores in model] for model in whole]
    return Course(
        steps=steps,
        factors=tuple(name.replace("_", " ") for name in truth.grid.names),
        migs=np.array([[found.get("mig", np.nan) for found in model] for model in details]),
        gaps=np.array([[[found.get(name, np.nan) for name in names] for found in model] for model in details]),
        variances=np.sort([[scores.unit_variances for scores in model] for model in whole], axis=2),
    )


def _text(subjects: Subjects, settings: Settings) -> tuple[str, ...]:
    config = subjects.config
    training = config.training
    return (
        "A MIG depends on how long the model was trained. Factors that change many pixels find their latents early, others "
        "late or never, and units that were pruned may come back into use.",
        f"{settings.seeds} trainings of the experiment's restarts ({config.restarts.objective.kind}), with seeds of their "
        f"own, as {subjects.name} says: {training.architecture}, {training.steps:,} steps of {training.batch_size} images, "
        f"learning rate {training.learning_rate:g}, {training.precision}. Each is scored while it trains, in float32.",
    )


def _verdict(found: Course) -> str:
    last = over_clusters(found.migs[None, :, -1]) if np.isfinite(found.migs[:, -1]).all() else None
    if last is None:
        return "MIG is not defined for all of these models."
    gaps = found.gaps[:, -1].mean(axis=0)
    missing = [name for name, gap in zip(found.factors, gaps, strict=True) if gap < 0.1]
    width = f" ± {last.half_width:.2f}" if last.half_width is not None else ""
    rise = f"nine tenths of it from step {found.risen:,} on"
    lacking = f" In no latent of its own (gap below 0.1): {', '.join(missing)}." if missing else ""
    return f"After {found.steps[-1]:,} steps, MIG is {last.mean:.2f}{width}, and {rise}.{lacking}"


def _table(found: Course) -> TextTable:
    active = (found.variances < ACTIVE).sum(axis=2).mean(axis=0)
    lines = [
        (
            f"{step:,}",
            f"{found.migs[:, place].mean():.2f}",
            f"{found.migs[:, place].min():.2f} to {found.migs[:, place].max():.2f}",
            *(f"{gap:.2f}" for gap in found.gaps[:, place].mean(axis=0)),
            f"{active[place]:.1f}",
        )
        for place, step in enumerate(found.steps)
    ]
    header = "Steps", "MIG", "from, to", *found.factors, "active units"
    note = (
        f"Means over {len(found.migs)} models, MIG also from the lowest to the highest. Under a factor's name: its gap, of "
        f"which MIG is the mean. Active: E[σ²] < {ACTIVE}."
    )
    return plain_table("Scores over steps", header, lines, note=note)


def _numbers(found: Course) -> dict[str, JsonValue]:
    return {
        "steps": list(found.steps),
        "risen": found.risen,
        "factors": list(found.factors),
        "mig": [_defined(model) for model in found.migs],
        "gaps": [[_defined(point) for point in model] for model in found.gaps],
        "unit_variances": found.variances.tolist(),
    }


def _defined(values: np.ndarray) -> list[JsonValue]:
    """Return the values as a list, with None for NaN."""
    return [value if np.isfinite(value) else None for value in values.tolist()]


def draw_course(path: Path, found: Course) -> None:
    """Draw MIG, gaps and posterior variances over steps."""
    figure = style.new_figure(5.6)
    migs, gaps, variances = figure.subplots(3, 1, sharex=True)
    for model in found.migs:
        migs.plot(found.steps, model, color=COLOUR, alpha=0.35, linewidth=0.8)
    migs.plot(found.steps, found.migs.mean(axis=0), "o-", color=COLOUR, linewidth=1.4, ms=3)
    for name, gap in zip(found.factors, found.gaps.mean(axis=0).T, strict=True):
        gaps.plot(found.steps, gap, "o-", linewidth=1.1, ms=2.5, label=name)
    style.legend_above(figure, gaps.get_legend_handles_labels()[0])
    for model in found.variances:
        variances.plot(found.steps, model, color=COLOUR, alpha=0.4, linewidth=0.8)
    variances.axhline(ACTIVE, color="#777777", linestyle="--", linewidth=1)
    for axes, label in ((migs, "MIG"), (gaps, "gap"), (variances, "E[σ²] of units")):
        axes.set_ylabel(label, fontsize=style.SMALL)
        axes.set_ylim(bottom=0)
        style.plain(axes, grid="y")
    variances.set_xlabel("steps", fontsize=style.SMALL)
    style.save(figure, path)


INSTRUMENT = Instrument(
    name="mig-over-steps",
    question="When does a training disentangle: what are MIG, the factors' gaps and the units' variances over its steps?",
    source="thesis 4.4.1, the steps of its trainings",
    takes=("config",),
    cost="5 trainings: 3 minutes for the quickstart",
    answer=answer,
    trains=True,
)
