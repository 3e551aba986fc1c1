"""The course of a training: MIG, the gaps of single factors and the units' variances over an experiment's steps."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from perturb.datasets import grid_of
from perturb.errors import UserError
from perturb.experiment.stages import STAGES
from perturb.experiment.stages.over_steps import OverStepsResult
from perturb.instruments.instrument import Answer, Instrument, Settings
from perturb.instruments.subject import Subjects
from perturb.instruments.trainings import defined, ensured, namer_with
from perturb.random.seeds import child_seed
from perturb.report import style
from perturb.report.section import Picture, Section
from perturb.report.table import TextTable, plain_table
from perturb.runs import Store
from perturb.statistics.intervals import over_clusters
from perturb.training.loop import ACTIVE

EVENLY, DOUBLINGS = 10, 3
"""Number of equal parts of a training, after each of which it is scored, and of halvings of the first part."""
RISEN = 0.9
"""Share of its final value at which a MIG counts as risen."""
LEAST_GAP = 0.1
"""A factor with a gap below this counts as having no latent of its own."""
COLOUR = "#4477aa"


@dataclass(frozen=True, kw_only=True)
class Course:
    """Scores of one experiment's models after the same numbers of steps."""

    steps: tuple[int, ...]
    factors: tuple[str, ...]
    migs: np.ndarray
    """MIG, (models, steps); NaN if it is not defined."""
    gaps: np.ndarray
    """The gap of each factor, (models, steps, factors); NaN if it is not defined."""
    variances: np.ndarray
    """E[σ²] of each unit, ascending, (models, steps, latents)."""

    @property
    def risen(self) -> int | None:
        """First step from which the mean MIG stays at or above nine tenths of its final value; None if it has none."""
        mean = self.migs.mean(axis=0)
        if not np.isfinite(mean[-1]):
            return None
        below = np.flatnonzero(~(mean >= RISEN * mean[-1]))  # NaN counts as below
        return self.steps[below[-1] + 1] if len(below) else self.steps[0]


def answer(subjects: Subjects, settings: Settings) -> Answer:
    """Retrain the experiment's β-VAEs with new seeds, and score each of them at increasing numbers of steps."""
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
    """Return the steps after which a training of `steps` is scored: every tenth of it, and halvings of the first tenth."""
    tenth = steps / EVENLY
    early = [tenth / 2**halving for halving in range(DOUBLINGS, 0, -1)]
    late = [tenth * part for part in range(1, EVENLY + 1)]
    return tuple(dict.fromkeys(max(1, round(step)) for step in (*early, *late)))


def _trained(subjects: Subjects, settings: Settings) -> Course:
    config, names = subjects.config, grid_of(subjects.config.dataset).names
    namer = namer_with(subjects, child_seed(config.seed, "over steps", settings.seed))
    store = Store(subjects.artifacts, STAGES, device=settings.device)
    steps = points(config.training.steps)
    specs = [namer.over_steps(namer.images(), index, steps) for index in range(settings.seeds)]
    results = ensured(store, specs, OverStepsResult, title="trainings")
    whole = [one.points for one in results if one.failure is None]
    if not whole:
        raise UserError(f"{subjects.name}: {results[0].failure}, and so all {len(specs)} trainings.")
    gaps = [f"mig_factor_{index}" for index in range(len(names))]
    details = [[(scores.details or {}).get("mig", {}) for scores in model] for model in whole]
    return Course(
        steps=steps,
        factors=tuple(name.replace("_", " ") for name in names),
        migs=np.array([[found.get("mig", np.nan) for found in model] for model in details]),
        gaps=np.array([[[found.get(gap, np.nan) for gap in gaps] for found in model] for model in details]),
        variances=np.sort([[scores.unit_variances for scores in model] for model in whole], axis=2),
    )


def _text(subjects: Subjects, settings: Settings) -> tuple[str, ...]:
    config = subjects.config
    training = config.training
    return (
        "The MIG depends on how long the model was trained. Factors that change many pixels get their latents early, others "
        "late or never, and units that were pruned may come back into use.",
        f"{settings.seeds} trainings of the experiment's restarts ({config.restarts.objective.kind}), with seeds of their "
        f"own, as {subjects.name} says: {training.architecture}, {training.steps:,} steps of {training.batch_size} images, "
        f"learning rate {training.learning_rate:g}, {training.precision}. Each is scored while it trains, in float32.",
    )


def _verdict(found: Course) -> str:
    if found.risen is None:
        return "MIG is not defined for all of these models."
    last = over_clusters(found.migs[None, :, -1])
    gaps = found.gaps[:, -1].mean(axis=0)
    missing = [name for name, gap in zip(found.factors, gaps, strict=True) if gap < LEAST_GAP]
    low, high = last.interval
    width = "" if low is None else f" (95 % interval {low:.2f} to {high:.2f})"
    rise = f"nine tenths of it from step {found.risen:,} on"
    lacking = f" Without a latent of its own (gap below {LEAST_GAP}): {', '.join(missing)}." if missing else ""
    return f"After {found.steps[-1]:,} steps, MIG is {last.mean:.2f}{width}, and {rise}.{lacking}"


def _table(found: Course) -> TextTable:
    active = (found.variances < ACTIVE).sum(axis=2).mean(axis=0)
    lines = [
        (
            f"{step:,}",
            _cell(found.migs[:, place].mean()),
            f"{_cell(found.migs[:, place].min())} to {_cell(found.migs[:, place].max())}",
            *map(_cell, found.gaps[:, place].mean(axis=0)),
            f"{active[place]:.1f}",
        )
        for place, step in enumerate(found.steps)
    ]
    header = "Steps", "MIG", "from, to", *found.factors, "active units"
    note = (
        f"Means over {len(found.migs)} models, and the lowest to the highest MIG. Under a factor's name: its gap; MIG is "
        f"the mean of the gaps. Active: E[σ²] < {ACTIVE}."
    )
    return plain_table("Scores over steps", header, lines, note=note)


def _cell(value: float) -> str:
    """Format a score with two decimals; a dash if one of the models has none."""
    return f"{value:.2f}" if np.isfinite(value) else "–"


def _numbers(found: Course) -> dict[str, JsonValue]:
    return {
        "steps": list(found.steps),
        "risen": found.risen,
        "factors": list(found.factors),
        "mig": [defined(model) for model in found.migs],
        "gaps": [[defined(point) for point in model] for model in found.gaps],
        "unit_variances": found.variances.tolist(),
    }


def draw_course(path: Path, found: Course) -> None:
    """Plot MIG, gaps and posterior variances over steps."""
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
