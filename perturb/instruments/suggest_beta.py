"""Suggest a β for an experiment's images, and test the thesis's rule: raise it until the first unit is pruned."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from perturb.analysis.beta_ladder import Bracket, bracketed, rungs, same_order
from perturb.analysis.orthogonality import decoder_orthogonality
from perturb.config import MethodConfig
from perturb.config.objectives import BetaVAEConfig
from perturb.errors import UserError
from perturb.experiment.plan import BASELINE
from perturb.experiment.stages import STAGES
from perturb.instruments.instrument import Answer, Instrument, Settings
from perturb.instruments.orthogonality import points_of
from perturb.instruments.subject import Subjects, TrainedModel
from perturb.instruments.trainings import defined, ensured, namer_with
from perturb.objectives.decode import single_decoder
from perturb.random.seeds import child_seed
from perturb.report import style
from perturb.report.section import Picture, Section
from perturb.report.table import TextTable, plain_table
from perturb.runs import RunSpec, Store
from perturb.statistics.intervals import Estimate, over_clusters
from perturb.statistics.saved_scores import ScoresResult
from perturb.training.loop import ACTIVE

START = 1 / 8
"""First β of the ladder, as a share of the β of the experiment's restarts."""
STEP, HALVINGS = 4.0, 1
"""Ratio of neighbouring rungs, and number of bisections of the step in which the first unit is pruned."""
MOST, BELOW, BEYOND = 8, 2, 1
"""Maximum number of rungs to find the bracket, and number of rungs below and above it, which show where MIG is best."""
COLOUR, FAINT, MARK = "#4477aa", "#bbbbbb", "#cc3311"


@dataclass(frozen=True, kw_only=True)
class Rung:
    """Measurements of the models with one β; models whose training failed are left out."""

    beta: float
    variances: np.ndarray
    """E[σ²] of each unit, ascending in each model, (models, latents)."""
    migs: np.ndarray
    """MIG of each model, (models,); NaN if it is not defined."""
    distances: np.ndarray
    """DtO of the active units, averaged over images, (models,); NaN for fewer than two active units."""
    seconds: float = 0.0
    """Duration of the trainings, whether they ran now or earlier."""

    @property
    def largest(self) -> float:
        """Median over models of the largest E[σ²] among a model's units."""
        return float(np.median(self.variances[:, -1]))

    @property
    def pruned(self) -> bool:
        """True if a unit is pruned in at least half of the models."""
        return self.largest >= ACTIVE

    @property
    def whole(self) -> np.ndarray:
        """True for models in which all units are active, bool (models,)."""
        return self.variances[:, -1] < ACTIVE

    @property
    def mig(self) -> Estimate:
        """Mean MIG over models, with its interval."""
        return _mean(self.migs)

    @property
    def distance(self) -> Estimate:
        """Mean DtO, with its interval, over models in which all units are active; others are not comparable."""
        return _mean(self.distances[self.whole])


class Ladder:
    """A ladder of β whose models are trained on request with the experiment's settings, or taken from the artifacts folder.

    Args:
        subjects: The experiment.
        settings: Settings of the instrument; its seed is the root of the trainings' seeds.

    """

    def __init__(self, subjects: Subjects, settings: Settings) -> None:
        config = subjects.config
        self.settings = settings
        self.start = START * (config.restarts.objective.beta or 1.0)
        self.namer = namer_with(subjects, child_seed(config.seed, "β", settings.seed))
        self.store = Store(subjects.artifacts, STAGES, device=settings.device)
        self.rungs: dict[float, Rung] = {}

    def rung(self, beta: float) -> Rung:
        """Return the models with this β, trained now or loaded from the artifacts folder."""
        if beta not in self.rungs:
            self.rungs[beta] = self._trained(beta)
        return self.rungs[beta]

    @property
    def sorted(self) -> list[Rung]:
        """All requested rungs, by ascending β."""
        return [self.rungs[beta] for beta in sorted(self.rungs)]

    def _trained(self, beta: float) -> Rung:
        method = MethodConfig(name=f"β-VAE, β = {beta:.3g}", objective=BetaVAEConfig(beta=beta))
        images = self.namer.images()
        specs = [self.namer.evaluation(method, BASELINE, images, index, ("mig",)) for index in range(self.settings.seeds)]
        results = dict(zip(specs, ensured(self.store, specs, ScoresResult, title=method.name), strict=True))
        scored = {spec: result for spec, result in results.items() if result.scores is not None}
        if not scored:
            raise UserError(f"{method.name}: {results[specs[0]].failure}, and so all {len(specs)} trainings.")
        return Rung(
            beta=beta,
            variances=np.sort([result.unit_variances for result in scored.values()], axis=1),
            migs=np.array([(result.scores or {}).get("mig", np.nan) for result in scored.values()]),
            distances=np.array([self._distance(spec) for spec in scored]),
            seconds=sum(self.store.seconds(spec.inputs["restart"]) for spec in specs),
        )

    def _distance(self, scores: RunSpec) -> float:
        model = TrainedModel(scores.label, self.store.path(scores.inputs["restart"]))
        objective = model.objective(self.settings.device)
        codes, units = points_of(model, objective, self.settings)
        if len(units) < 2:
            return float("nan")
        return float(decoder_orthogonality(single_decoder(objective, images=True), codes, units).distances.mean())


def answer(subjects: Subjects, settings: Settings) -> Answer:
    """Climb the ladder, and score the models of each rung."""
    ladder = Ladder(subjects, settings)
    bracket = bracketed(lambda beta: ladder.rung(beta).pruned, ladder.start, step=STEP, most=MOST, halvings=HALVINGS)
    for beta in _further(bracket, sorted(ladder.rungs)):
        ladder.rung(beta)
    found = ladder.sorted
    path = settings.folder / "suggest-beta.png"
    draw_ladder(path, found, bracket)
    verdict = _verdict(found, bracket)
    caption = (
        "Top: E[σ²] of every unit of every model, with the median over models of the largest (line); dashed: "
        f"{ACTIVE}, from which a unit counts as pruned. Middle and bottom: MIG and DtO of every model, and means. Hollow: "
        "models with a pruned unit; their DtO is that of their other units and not comparable. Red: the suggested β, and "
        "the step over which the first unit is pruned."
    )
    alt = f"Three panels over β on a logarithmic axis: posterior variances, MIG and DtO. {verdict}"
    section = Section(
        title="A β by the first pruned unit",
        text=_text(subjects, settings),
        figures=[Picture(path, caption, alt)],
        tables=[_table(found, bracket)],
    )
    return Answer(verdict=verdict, section=section, numbers=_numbers(found, bracket))


def _further(bracket: Bracket, tried: Sequence[float]) -> list[float]:
    """Return further values of β below and above the bracket; empty if there is no bracket."""
    if bracket.low is None or bracket.high is None:
        return []
    below = max(0, BELOW - sum(beta < bracket.low for beta in tried))
    above = max(0, BEYOND - sum(beta > bracket.high for beta in tried))
    return [*rungs(tried[0], step=1 / STEP, count=below), *rungs(tried[-1], step=STEP, count=above)]


def _text(subjects: Subjects, settings: Settings) -> tuple[str, ...]:
    training = subjects.config.training
    return (
        "A small β hardly turns a VAE's axes, and a large one prunes units until fewer are left than there are factors. The "
        "thesis's advice (3.3.6) is to raise β until the mean posterior variance of a first unit, E[σ²], comes near 1: "
        "there the polarized regime begins, and the best β is of that order of magnitude.",
        f"{settings.seeds} β-VAEs at each β, trained as {subjects.name} says ({training.architecture}, {training.steps:,} "
        f"steps of {training.batch_size} images). Suggested is the largest β tried at which most have no pruned unit.",
    )


def _verdict(found: Sequence[Rung], bracket: Bracket) -> str:
    if bracket.low is None:
        return (
            f"A unit is pruned even at β = {found[0].beta:.3g}, the smallest that was tried, so none is suggested; the "
            "trainings may be too short, or there may be too many latents."
        )
    if bracket.high is None:
        return f"No unit is pruned up to β = {found[-1].beta:.3g}, the largest that was tried, so none is suggested."
    advice = f"Take β = {bracket.low:.3g}: the first unit is pruned between this and {bracket.high:.3g}."
    best, suggested = _best(found), next(rung for rung in found if rung.beta == bracket.low)
    if best is None:
        return f"{advice} MIG is not defined for these models."
    if best is suggested:
        return f"{advice} MIG is best there ({_with_width(best.mig)})."
    factor = max(best.beta / bracket.low, bracket.low / best.beta)
    place = "of the same order" if same_order(best.beta, bracket.low) else "of another order"
    return (
        f"{advice} MIG is best at β = {best.beta:.3g} ({_with_width(best.mig)}; at the suggested one "
        f"{_with_width(suggested.mig)}), a factor of {factor:.2g} away, and so {place} of magnitude."
    )


def _best(found: Sequence[Rung]) -> Rung | None:
    """Return the rung with the highest mean MIG; None if no model has one."""
    scored = [rung for rung in found if np.isfinite(rung.mig.mean)]
    return max(scored, key=lambda rung: rung.mig.mean, default=None)


def _mean(values: np.ndarray) -> Estimate:
    kept = values[np.isfinite(values)]
    return over_clusters(kept[None]) if len(kept) else Estimate(float("nan"))


def _with_width(estimate: Estimate) -> str:
    """Format a mean and the half-width of its 95 % interval."""
    if not np.isfinite(estimate.mean):
        return "–"
    width = estimate.half_width
    return f"{estimate.mean:.2f}" if width is None else f"{estimate.mean:.2f} ± {width:.2f}"


def _table(found: Sequence[Rung], bracket: Bracket) -> TextTable:
    lines = [
        (
            f"{rung.beta:.3g}" + (" (suggested)" if rung.beta == bracket.low and bracket.high else ""),
            f"{rung.largest:.2f}",
            f"{(rung.variances < ACTIVE).sum(axis=1).mean():.1f} of {rung.variances.shape[1]}",
            _with_width(rung.mig),
            _with_width(rung.distance),
            str(rung.whole.sum()),
        )
        for rung in found
    ]
    note = (
        "E[σ²]: median over models of the largest among their units. Means over models with their 95 % interval. DtO is "
        f"over models in which all units are active (E[σ²] < {ACTIVE}); the last column counts them."
    )
    header = "β", "largest E[σ²]", "active units", "MIG", "DtO", "models with all active"
    return plain_table("Models over β", header, lines, note=note)


def _numbers(found: Sequence[Rung], bracket: Bracket) -> dict[str, JsonValue]:
    best, both = _best(found), bracket.low is not None and bracket.high is not None
    return {
        "suggested": bracket.low if both else None,
        "bracket": [bracket.low, bracket.high],
        "best_mig_at": best.beta if best else None,
        "training_seconds": sum(rung.seconds for rung in found),
        "rungs": [
            {
                "beta": rung.beta,
                "unit_variances": rung.variances.tolist(),
                "mig": defined(rung.migs),
                "distance": defined(rung.distances),
            }
            for rung in found
        ],
    }


def draw_ladder(path: Path, found: Sequence[Rung], bracket: Bracket) -> None:
    """Plot E[σ²], MIG and DtO over β, one dot per unit or model, with lines through medians or means."""
    figure = style.new_figure(5.4)
    variances, migs, distances = panels = figure.subplots(3, 1, sharex=True)
    betas = [rung.beta for rung in found]
    for rung in found:
        places = rung.beta * 1.03 ** style.jitter(len(rung.migs), width=4)
        for place, units in zip(places, rung.variances, strict=True):
            variances.plot([place] * len(units), units, "o", color=COLOUR, alpha=0.4, ms=3)
        for axes, values in ((migs, rung.migs), (distances, rung.distances)):
            axes.plot(places[rung.whole], values[rung.whole], "o", color=COLOUR, alpha=0.6, ms=4)
            axes.plot(places[~rung.whole], values[~rung.whole], "o", mfc="none", color=COLOUR, alpha=0.8, ms=4)
    variances.plot(betas, [rung.largest for rung in found], color=COLOUR, linewidth=1.2)
    variances.axhline(ACTIVE, color="#777777", linestyle="--", linewidth=1)
    migs.plot(betas, [rung.mig.mean for rung in found], color=COLOUR, linewidth=1.2)
    distances.plot(betas, [rung.distance.mean for rung in found], color=COLOUR, linewidth=1.2)
    for axes, label in zip(panels, ("E[σ²] of units", "MIG", "DtO"), strict=True):
        if bracket.low is not None and bracket.high is not None:
            axes.axvspan(bracket.low, bracket.high, color=MARK, alpha=0.12, linewidth=0)
            axes.axvline(bracket.low, color=MARK, linewidth=1)
        axes.set_ylabel(label, fontsize=style.SMALL)
        axes.set_ylim(bottom=0)
        style.plain(axes, grid="y")
    distances.set_xscale("log", base=2)
    distances.set_xticks(betas, [f"{beta:.3g}" for beta in betas])
    distances.minorticks_off()
    distances.set_xlabel("β", fontsize=style.SMALL)
    style.save(figure, path)


INSTRUMENT = Instrument(
    name="suggest-beta",
    question="Which β suits the images of an experiment: is it where the first unit is pruned?",
    source="thesis 3.3.6, Figure 3.7",
    takes=("config",),
    cost="25 trainings or more: 5 minutes for the quickstart",
    answer=answer,
    trains=True,
)
