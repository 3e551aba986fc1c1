"""Are the columns of a decoder's Jacobians orthogonal? The thesis's distance to orthogonality, on trained models."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import JsonValue
from scipy.stats import ortho_group

from perturb.analysis.orthogonality import Orthogonality, decoder_orthogonality, orthogonality
from perturb.errors import UserError
from perturb.external.protocols import decoder_of
from perturb.instruments.coder import check_differentiable, external_model
from perturb.instruments.instrument import Answer, Instrument, Settings
from perturb.instruments.subject import Subjects, TrainedModel
from perturb.objectives import Objective
from perturb.objectives.decode import DRAWING, single_decoder
from perturb.objectives.encode import encode, unit_variances
from perturb.random.seeds import child_seed, numpy_generator, some_of
from perturb.report import style
from perturb.report.section import Picture, Section
from perturb.report.table import plain_table
from perturb.report.words import share, signed
from perturb.statistics.ranks import rank_correlation
from perturb.training.loop import ACTIVE
from perturb.training.saved_models import new_model

POINTS = 100
"""Number of images at whose codes Jacobians are computed; models of the same images share them."""
LEAST_FOR_A_CORRELATION = 4
STRANGERS, TURNED = "random decoders at the same codes", "random turns of its own columns"
"""The control for our models, and the one for external models, which have no untrained counterpart."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """One model with its control: untrained decoders of its architecture, or its own columns on random axes."""

    trained: Orthogonality
    random: tuple[Orthogonality, ...]
    mig: float | None
    """MIG of the model; None if unknown."""

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
    header = "Model", "active", "DtO", "± over points", "at random", "mean |cos|", "colΠ / Πs", "degenerate", "MIG"
    note = (
        f"Jacobians of the mean image at the codes of {POINTS} images, columns of the active latents (E[σ²] < {ACTIVE}). "
        "DtO of different numbers of active latents cannot be compared. colΠ / Πs: geometric mean. Degenerate: share of "
        f"images where two singular values differ by less than 5 %. At random: {settings.seeds} {against}."
    )
    table = plain_table("Distance to orthogonality", header, [_line(*one) for one in found.items()], note=note)
    caption = "DtO of each model (dot) and of its random control (cross), over its MIG if that is known."
    low, high = (bound(one.distance for one in found.values()) for bound in (min, max))
    alt = f"A scatter plot of {len(found)} models; their mean DtO lies between {low:.2f} and {high:.2f}."
    section = Section(title="Orthogonality", text=[_why()], figures=[Picture(path, caption, alt)], tables=[table])
    return Answer(
        verdict=_verdict(found, against), section=section, numbers={label: _numbers(one) for label, one in found.items()}
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
    return Found(trained=trained, random=tuple(random), mig=model.scores.get("mig"))


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
    mig = outside.score(["mig"], settings.seed)["mig"]
    turns = [ortho_group.rvs(len(units), random_state=rng) for _ in range(settings.seeds)]
    return Found(trained=found, random=tuple(orthogonality(columns @ turn, units) for turn in turns), mig=mig)


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
        "–" if found.mig is None else f"{found.mig:.2f}",
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
        "mig": found.mig,
    }


def _why() -> str:
    return (
        "The theory says that a VAE's noise makes the columns of its decoder's Jacobian J orthogonal, so that each latent "
        "moves the image along a different singular vector: V of J = U S Vᵀ is then a signed permutation. DtO is V's "
        "distance to the nearest one. The control is random decoders, which have seen no data, or for external models their "
        "own columns turned at random."
    )


def _verdict(found: Mapping[str, Found], against: str) -> str:
    """Word the verdict: how many models are nearer to orthogonal than their control, and the correlation with MIG."""
    nearer = sum(one.distance < one.random_distance for one in found.values())
    mean = float(np.mean([one.distance for one in found.values()]))
    random = float(np.mean([one.random_distance for one in found.values()]))
    comparison = (
        f"DtO is {mean:.2f} on average, and {random:.2f} for {against}; {nearer} of {len(found)} models "
        f"{'is' if nearer == 1 else 'are'} nearer to orthogonal than those."
    )
    scored = [(one.distance, one.mig) for one in found.values() if one.mig is not None]
    if len(scored) < LEAST_FOR_A_CORRELATION or (correlation := rank_correlation(*zip(*scored, strict=True))) is None:
        return comparison
    return f"{comparison} Its rank correlation with MIG is {signed(correlation)} over {len(scored)} models."


def draw_distances(path: Path, found: Mapping[str, Found]) -> None:
    """Plot DtO over MIG, or model by model without MIG: a dot for each model and a cross for its control."""
    scored = {label: one for label, one in found.items() if one.mig is not None}
    chosen = scored or found
    places = [one.mig or 0.0 for one in chosen.values()] if scored else list(range(len(chosen)))
    figure = style.new_figure(3.0)
    axes = figure.subplots()
    spread = [one.trained.distances.std() for one in chosen.values()]
    axes.errorbar(
        places, [one.distance for one in chosen.values()], spread, fmt="o", color="#4477aa", alpha=0.7, label="trained"
    )
    axes.plot(places, [one.random_distance for one in chosen.values()], "x", color="#777777", label="at random")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("DtO, ± deviation over images", fontsize=style.SMALL)
    axes.set_xlabel("MIG" if scored else "models in the table's order", fontsize=style.SMALL)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=2, fontsize=style.SMALL, frameon=False)
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
