"""Are the columns of a decoder's Jacobians orthogonal? The thesis's distance to orthogonality, on trained models."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import JsonValue
from scipy.stats import ortho_group

from perturb.analysis.orthogonality import Orthogonality, comparable, decoder_orthogonality, orthogonality
from perturb.config.metrics import MetricsConfig
from perturb.datasets import FactorGrid
from perturb.errors import UserError
from perturb.external.protocols import decoder_of
from perturb.instruments.coder import check_differentiable, external_model
from perturb.instruments.instrument import Answer, Instrument, Settings
from perturb.instruments.subject import Subjects, TrainedModel, scored
from perturb.objectives import Objective
from perturb.objectives.decode import DRAWING, single_decoder
from perturb.objectives.encode import encode, unit_variances
from perturb.random.seeds import child_seed, numpy_generator, some_of
from perturb.report import style
from perturb.report.section import Picture, Section
from perturb.report.table import TextTable, plain_table
from perturb.report.words import share, signed
from perturb.statistics.ranks import rank_correlation
from perturb.training.loop import ACTIVE
from perturb.training.saved_models import new_model

POINTS = 100
"""Number of images at whose codes Jacobians are computed; models of the same images share them."""
LEAST_FOR_A_CORRELATION = 4
MIG, DS = "mig", "disentanglement_score"
STRANGERS, TURNED = "random decoders at the same codes", "random turns of its own columns"
"""The control for our models, and the one for external models, which have no untrained counterpart."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """One model with its control: untrained decoders of its architecture, or its own columns on random axes."""

    method: str
    """Name of its method, or its label if it has none."""
    trained: Orthogonality
    random: tuple[Orthogonality, ...]
    mig: float
    ds: float
    """Disentanglement Score (thesis 3.3), with the dataset's unordered factors classified."""

    @property
    def active(self) -> int:
        """Number of active latents."""
        return len(self.trained.units)

    @property
    def distance(self) -> float:
        """Mean DtO over points."""
        return float(self.trained.distances.mean())

    @property
    def random_distance(self) -> float:
        """Mean DtO over points and over the controls."""
        return float(np.mean([one.distances.mean() for one in self.random]))


def answer(subjects: Subjects, settings: Settings) -> Answer:
    """Measure every finished model that decodes images and has at least two active latents, or an external model."""
    if subjects.kind == "model":
        found = {subjects.name: _measured_outside(subjects, settings)}
    else:
        found = {model.label: one for model in subjects.some(settings.seeds) if (one := _measured(model, settings))}
    against = TURNED if subjects.kind == "model" else STRANGERS
    if not found:
        raise UserError(f"{subjects.name}: no finished training has a decoder and two active latents.")
    path = settings.folder / "orthogonality.png"
    draw_distances(path, found)
    header = "Model", "active", "DtO", "± over points", "at random", "mean |cos|", "colΠ / Πs", "degenerate", "DS", "MIG"
    note = (
        f"Jacobians of the mean image at the codes of {POINTS} images, columns of the active latents (E[σ²] < {ACTIVE}). "
        "DtO of different numbers of active latents cannot be compared. colΠ / Πs: geometric mean. Degenerate: share of "
        f"images where two singular values differ by less than 5 %. At random: {settings.seeds} {against}."
    )
    table = plain_table("Distance to orthogonality", header, [_line(*one) for one in found.items()], note=note)
    caption = (
        "DtO of each model (dot) and of its random control (cross), over its MIG. Hollow dots: models with an "
        "uncommon number of active latents."
    )
    low, high = (bound(one.distance for one in found.values()) for bound in (min, max))
    alt = f"A scatter plot of {len(found)} models; their mean DtO lies between {low:.2f} and {high:.2f}."
    tables = [table, _methods_table(list(found.values()))]
    section = Section(title="Orthogonality", text=[_why()], figures=[Picture(path, caption, alt)], tables=tables)
    return Answer(
        verdict=verdict(found, against), section=section, numbers={label: _numbers(one) for label, one in found.items()}
    )


def _measured(model: TrainedModel, settings: Settings) -> Found | None:
    """Measure a trained model; None if it cannot decode images, or has fewer than two active latents."""
    objective, channels = model.objective(settings.device), model.pixels.channels
    if not any(name in objective.networks for name in DRAWING):
        return None
    codes, units = points_of(model, objective, settings)
    if len(units) < 2:
        return None
    seeds = [child_seed(settings.seed, "random decoder", number) for number in range(settings.seeds)]
    strangers = [new_model(model.config, channels=channels, seeds=[seed], device=settings.device) for seed in seeds]
    trained, *random = (
        decoder_orthogonality(single_decoder(one, images=True), codes, units) for one in [objective, *strangers]
    )
    wanted = [DS] if MIG in model.scores else [MIG, DS]
    found = _scores(lambda rows: encode(objective, model.pixels, rows)[0], model.truth.grid, wanted, settings)
    scores = model.scores | found
    return Found(method=model.method or model.label, trained=trained, random=tuple(random), mig=scores[MIG], ds=scores[DS])


def _measured_outside(subjects: Subjects, settings: Settings) -> Found:
    """Measure all varying latents of a model with `encode` and `decode`; the control rotates its own columns at random."""
    outside, rng = external_model(subjects, settings), numpy_generator(settings.seed, "orthogonality")
    decode, codes = decoder_of(outside.model), outside.codes(some_of(len(outside.truth.grid), POINTS, rng))
    units = np.flatnonzero(codes.std(axis=0) > 0).tolist()
    if len(units) < 2:
        raise UserError(f"{subjects.name}: orthogonality needs two latents that vary over images, got {len(units)}.")
    points = torch.from_numpy(codes.astype(np.float32))
    check_differentiable(subjects.name, decode, points)
    found = decoder_orthogonality(decode, points, units)
    columns = found.singular[:, :, None] * found.vectors.swapaxes(1, 2)
    turns = [ortho_group.rvs(len(units), random_state=rng) for _ in range(settings.seeds)]
    random = tuple(orthogonality(columns @ turn, units) for turn in turns)
    scores = _scores(outside.codes, outside.truth.grid, [MIG, DS], settings)
    return Found(method=subjects.name, trained=found, random=random, mig=scores[MIG], ds=scores[DS])


def _scores(
    codes: Callable[[np.ndarray], np.ndarray], grid: FactorGrid, metrics: Sequence[str], settings: Settings
) -> dict[str, float]:
    """Score a model's codes of a grid's images; the DS classifies unordered factors."""
    unordered = tuple(grid.names.index(name) for name in grid.unordered)
    chosen = MetricsConfig.model_validate({DS: {"unordered": unordered}})
    return scored(codes, grid, metrics, chosen, seed=child_seed(settings.seed, "scores"))


def points_of(model: TrainedModel, objective: Objective, settings: Settings) -> tuple[torch.Tensor, list[int]]:
    """Return the codes of randomly drawn images, float64 (at most POINTS, latents), and the active latents' indices."""
    images = some_of(len(model.pixels), POINTS, numpy_generator(settings.seed, "orthogonality"))
    means, logvars = encode(objective, model.pixels, images)
    units = np.flatnonzero(unit_variances(logvars) < ACTIVE).tolist()
    return torch.from_numpy(means).double().to(objective.device), units


def _line(label: str, found: Found) -> tuple[str, ...]:
    one = found.trained
    return (
        label,
        str(len(one.units)),
        f"{found.distance:.2f}",
        f"{one.distances.std():.2f}",
        f"{found.random_distance:.2f}",
        f"{one.cosine:.2f}",
        f"{one.ratio:.2f}" if np.isfinite(one.ratio) else "–",
        share(one.degenerate),
        f"{found.ds:.2f}",
        f"{found.mig:.2f}",
    )


def _numbers(found: Found) -> dict[str, JsonValue]:
    one = found.trained
    return {
        "active": list(one.units),
        "distances": one.distances.tolist(),
        "random_distances": [random.distances.mean().item() for random in found.random],
        "cosine": one.cosine,
        "ratio": one.ratio if np.isfinite(one.ratio) else None,
        "degenerate": one.degenerate,
        "deficient": one.deficient,
        MIG: found.mig,
        DS: found.ds,
    }


def _why() -> str:
    return (
        "The theory says that a VAE's noise makes the columns of its decoder's Jacobian J orthogonal, so that each latent "
        "moves the image along a different singular vector: V of J = U S Vᵀ is then a signed permutation. DtO is V's "
        "distance to the nearest one. The control is random decoders, which have seen no data, or for external models their "
        "own columns turned at random."
    )


def _methods_table(found: Sequence[Found]) -> TextTable:
    groups: dict[tuple[str, int], list[Found]] = {}
    for one in found:
        groups.setdefault((one.method, one.active), []).append(one)
    lines = [
        (
            method,
            str(active),
            str(len(some)),
            *(f"{np.mean(values):.2f} ± {np.std(values):.2f}" for values in _columns(some)),
        )
        for (method, active), some in groups.items()
    ]
    note = "Table 3.3 of the thesis: mean ± standard deviation over models with the same number of active latents."
    return plain_table("By method", ("Method", "active", "models", "DtO", "at random", "DS", "MIG"), lines, note=note)


def _with_deviation(values: Sequence[float]) -> str:
    return f"{np.mean(values):.2f}" + (f" ± {np.std(values):.2f}" if len(values) > 1 else "")


def _columns(found: Sequence[Found]) -> list[list[float]]:
    """Return DtO, DtO at random, DS and MIG of the models."""
    rows = [(one.distance, one.random_distance, one.ds, one.mig) for one in found]
    return [list(column) for column in zip(*rows, strict=True)]


def verdict(found: Mapping[str, Found], against: str) -> str:
    """Word the verdict: how many models are nearer to orthogonal than their control, and the correlations with scores."""
    nearer = sum(one.distance < one.random_distance for one in found.values())
    mean = float(np.mean([one.distance for one in found.values()]))
    random = float(np.mean([one.random_distance for one in found.values()]))
    comparison = (
        f"DtO is {mean:.2f} on average, and {random:.2f} for {against}; {nearer} of {len(found)} models "
        f"{'is' if nearer == 1 else 'are'} nearer to orthogonal than those."
    )
    models = [one for one, chosen in zip(found.values(), _comparable(found), strict=True) if chosen]
    distances, _, ds, mig = _columns(models)
    correlations = rank_correlation(distances, mig), rank_correlation(distances, ds)
    if len(models) < LEAST_FOR_A_CORRELATION or None in correlations:
        return comparison
    with_mig, with_ds = (signed(value or 0.0) for value in correlations)
    return (
        f"{comparison} Its rank correlation with MIG is {with_mig}, and with DS {with_ds}, over the {len(models)} models "
        f"with {models[0].active} active latents."
    )


def _comparable(found: Mapping[str, Found]) -> np.ndarray:
    return comparable([one.active for one in found.values()])


def draw_distances(path: Path, found: Mapping[str, Found]) -> None:
    """Plot DtO over MIG: a dot for each model, hollow if its number of latents is rare, and a cross for its control."""
    figure = style.new_figure(3.0)
    axes = figure.subplots()
    for one, chosen in zip(found.values(), _comparable(found), strict=True):
        spread, label = (
            one.trained.distances.std(),
            f"{one.active} active latents" if chosen else "another number of latents",
        )
        fill = "#4477aa" if chosen else "white"
        axes.errorbar(one.mig, one.distance, spread, fmt="o", color="#4477aa", markerfacecolor=fill, alpha=0.7, label=label)
    places, random = zip(*[(one.mig, one.random_distance) for one in found.values()], strict=True)
    axes.plot(places, random, "x", color="#777777", label="at random")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("DtO, ± deviation over images", fontsize=style.SMALL)
    axes.set_xlabel("MIG", fontsize=style.SMALL)
    handles, labels = axes.get_legend_handles_labels()
    shown = dict(sorted(zip(labels, handles, strict=True)))
    figure.legend(shown.values(), shown.keys(), loc="outside upper left", ncols=3, fontsize=style.SMALL, frameon=False)
    style.plain(axes, grid="y")
    style.save(figure, path)


INSTRUMENT = Instrument(
    name="orthogonality",
    question="Are the columns of a decoder's Jacobians orthogonal, and do models where they are score higher?",
    source="thesis 3.2.6 and 3.3.3, equations 3.23 to 3.29, Table 3.3, Figure 3.4",
    takes=("config", "run", "model"),
    cost="seconds per model",
    answer=answer,
)
