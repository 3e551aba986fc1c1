"""Are decoders with a low OD-Score better disentangled? The score of Bhowal et al. compared with MIG and MIG-sup."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import JsonValue

from perturb.analysis.local_decoder import local_matrix
from perturb.analysis.od_score import Deviations, deviations, od_scores
from perturb.analysis.orthogonality import comparable, decoder_orthogonality
from perturb.errors import UserError
from perturb.instruments.instrument import Answer, Instrument, Settings
from perturb.instruments.subject import Subjects, TrainedModel
from perturb.objectives import Objective
from perturb.objectives.decode import single_decoder
from perturb.objectives.encode import encode, unit_variances
from perturb.random.seeds import child_seed, numpy_generator, some_of, torch_generator
from perturb.report import style
from perturb.report.section import Picture, Section
from perturb.report.table import TextTable, plain_table
from perturb.report.words import signed
from perturb.statistics.ranks import rank_correlation
from perturb.training.loop import ACTIVE
from perturb.training.saved_models import new_model

POINTS, DRAWS = 16, 64
"""Number of images around whose codes M is fitted, and of noise draws for each fit."""
LEAST_FOR_A_CORRELATION = 4
MIG, MIG_SUP, DTO, WITHIN = "mig", "mig_sup", "dto", "mig_within_methods"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Measurements of one model, and of untrained decoders of its architecture."""

    method: str
    """Name of its method, or its label if it has none."""
    active: int
    trained: Deviations
    random: tuple[Deviations, ...]
    dto: float
    """Mean DtO of the decoder's Jacobians at the same codes."""
    scores: dict[str, float]
    """Scores of the model, by metric: MIG and MIG-sup."""


@dataclass(frozen=True)
class Scored:
    """The OD-Scores of all models, with distances normalised in two ways."""

    trained: np.ndarray
    """OD-Scores of the trained decoders, (models,), normalised by maxima over trained and random decoders."""
    random: np.ndarray
    """Mean OD-Score of each model's random decoders, (models,), with the same normalisation."""
    alone: np.ndarray
    """OD-Scores of the trained decoders, (models,), normalised by maxima over the trained ones only, as in the paper."""


def answer(subjects: Subjects, settings: Settings) -> Answer:
    """Score every finished model with a posterior of finite width, a decoder and at least two active latents."""
    models = [model for model in subjects.some(settings.seeds) if model.has_kl]
    found = {model.label: one for model in models if (one := _measured(model, settings))}
    if not found:
        raise UserError(f"{subjects.name}: no finished training has a decoder, a KL term and two active latents.")
    scored, path = scored_models(list(found.values())), settings.folder / "od-score.png"
    draw_scores(path, list(found.values()), scored)
    caption = (
        "OD-Score of each model (dot) and of random decoders at its codes (cross) over MIG and MIG-sup, as in Figure 4 of "
        "Bhowal et al.; lower is more orthogonal."
    )
    alt = "Two scatter plots of {} models; trained ones score {:.2f} to {:.2f}, random ones {:.2f} to {:.2f}.".format(
        len(found), *(bound(values) for values in (scored.trained, scored.random) for bound in (np.min, np.max))
    )
    models, correlations = list(found.values()), correlations_of(list(found.values()), scored)
    tables = [_models_table(found, scored, settings.seeds), _methods_table(models, scored)]
    tables += [_correlations_table(correlations, models)] if correlations else []
    section = Section(
        title="OD-Score", text=[_why()], explained=[_built_in()], figures=[Picture(path, caption, alt)], tables=tables
    )
    finite: JsonValue = {
        name: {key: r if np.isfinite(r) else None for key, r in row.items()} for name, row in correlations.items()
    }
    numbers: dict[str, JsonValue] = {"models": _numbers(found, scored), "correlations": finite}
    return Answer(verdict=_verdict(models, scored, correlations), section=section, numbers=numbers)


def _measured(model: TrainedModel, settings: Settings) -> Measured | None:
    """Measure a model and its random decoders; None if it has fewer than two active latents."""
    objective, pixels = model.objective(settings.device), model.pixels
    images = some_of(len(pixels), POINTS, numpy_generator(settings.seed, "od-score"))
    means, logvars = encode(objective, pixels, images)
    units = np.flatnonzero(unit_variances(logvars) < ACTIVE).tolist()
    if len(units) < 2:
        return None
    seeds = [child_seed(settings.seed, "random decoder", number) for number in range(settings.seeds)]
    strangers = [new_model(model.config, channels=pixels.channels, seeds=[seed], device=settings.device) for seed in seeds]
    around = torch.from_numpy(means).to(objective.device), torch.from_numpy(logvars).to(objective.device)
    trained, *random = (_deviations(one, *around, units, settings.seed) for one in [objective, *strangers])
    decoder = single_decoder(objective, images=True)
    dto = decoder_orthogonality(decoder, around[0].double(), units).distances.mean()
    return Measured(
        method=model.method or model.label,
        active=len(units),
        trained=trained,
        random=tuple(random),
        dto=float(dto),
        scores=model.score([MIG, MIG_SUP], settings.device),
    )


def _deviations(
    objective: Objective, means: torch.Tensor, logvars: torch.Tensor, units: Sequence[int], seed: int
) -> Deviations:
    """Fit M around each posterior, and measure its active columns; every decoder sees the same noise."""
    decoder, generator = single_decoder(objective, images=True), torch_generator(seed, "od-score")
    found = [
        local_matrix(decoder, mean, std, draws=DRAWS, generator=generator)[:, list(units)]
        for mean, std in zip(means, torch.exp(logvars / 2), strict=True)
    ]
    return deviations(torch.stack(found).double().cpu().numpy())


def scored_models(found: Sequence[Measured]) -> Scored:
    """Compute the OD-Scores of all models, with both normalisations."""
    trained = np.array([one.trained.terms for one in found])
    random = np.array([[stranger.terms for stranger in one.random] for one in found])
    together = od_scores(np.concatenate([trained, random.reshape(-1, 3)]))
    return Scored(together[: len(found)], together[len(found) :].reshape(len(found), -1).mean(axis=1), od_scores(trained))


def _models_table(found: Mapping[str, Measured], scored: Scored, strangers: int) -> TextTable:
    header = (
        "Model", "active", "OD-Score", "among trained", "random decoder", "d_U = d_V", "d_Σ", "DtO of J", "MIG", "MIG-sup",
    )  # fmt: skip
    lines = [
        (
            label,
            str(one.active),
            *(f"{values[row]:.2f}" for values in (scored.trained, scored.alone, scored.random)),
            f"{one.trained.terms[2]:.2f}",
            f"{one.trained.terms[1]:.1f}",
            f"{one.dto:.2f}",
            f"{one.scores[MIG]:.2f}",
            f"{one.scores[MIG_SUP]:.2f}",
        )
        for row, (label, one) in enumerate(found.items())
    ]
    note = (
        f"M of tanh(Mε) around {POINTS} images, for the active latents (E[σ²] < {ACTIVE}); means over images. OD-Score: "
        f"each distance divided by its maximum over trained models and {strangers} random decoders each; among trained: "
        "divided by its maximum over the trained models, as in the paper. d: before this division. J: the Jacobian."
    )
    return plain_table("OD-Score", header, lines, note=note)


def _methods_table(found: Sequence[Measured], scored: Scored) -> TextTable:
    lines = []
    for method in dict.fromkeys(one.method for one in found):
        chosen = [row for row, one in enumerate(found) if one.method == method]
        columns = [np.array([found[row].scores[name] for row in chosen]) for name in (MIG, MIG_SUP)]
        columns += [scored.alone[chosen]]
        lines.append((method, str(len(chosen)), *(f"{values.mean():.2f} ± {values.std():.2f}" for values in columns)))
    note = "Tables 4 to 6 of Bhowal et al.: mean ± standard deviation over models. OD-Score among trained models."
    return plain_table("By method", ("Method", "models", "MIG", "MIG-sup", "OD-Score"), lines, note=note)


def _numbers(found: Mapping[str, Measured], scored: Scored) -> dict[str, JsonValue]:
    return {
        label: {
            "method": one.method,
            "active": one.active,
            "od_score": float(scored.trained[row]),
            "od_score_among_trained": float(scored.alone[row]),
            "random_od_score": float(scored.random[row]),
            "d_u": one.trained.u.tolist(),
            "d_sigma": one.trained.sigma.tolist(),
            "d_v": one.trained.v.tolist(),
            "d_lengths": one.trained.lengths.tolist(),
            "random_terms": [list(stranger.terms) for stranger in one.random],
            "dto": one.dto,
            **one.scores,
        }
        for row, (label, one) in enumerate(found.items())
    }


def _why() -> str:
    return (
        "Bhowal et al. fit tanh(Mε) to a decoder within a posterior's width, and score how far M is from an orthogonal "
        "matrix. By their theory decoders with a lower score are better disentangled. Random decoders have seen no data."
    )


def _built_in() -> str:
    return (
        "What is built into the score. With the exponent that gives the nearest matrix, M (MᵀM)^(−½), the distances d_U and "
        "d_V are the same number, M's squared distance to orthogonality, which therefore counts twice. The third, d_Σ, is "
        "the distance of the singular values from 1: it measures lengths, and it grows with the contrast of the images and "
        "falls with the range of the codes. Each distance is divided by its largest value among the compared models, so one "
        "more model can change every score, and scores of different studies cannot be compared. The authors' code fits M "
        "with an additional term that pulls it towards the orthogonal matrix for one method and away from it for the "
        "others; here no term is added."
    )


def _verdict(found: Sequence[Measured], scored: Scored, correlations: Mapping[str, Mapping[str, float]]) -> str:
    """Word the verdict: how many models score lower than random decoders, by which term, and the correlation with MIG."""
    lower = int((scored.trained < scored.random).sum())
    turned = sum(one.trained.terms[2] < np.mean([stranger.terms[2] for stranger in one.random]) for one in found)
    comparison = (
        f"The OD-Score is {scored.trained.mean():.2f} on average, and {scored.random.mean():.2f} for random decoders at the "
        f"same codes; {lower} of {len(found)} models score lower than those, and {turned} by d_V alone."
    )
    if not correlations:
        return comparison
    own, dto = correlations["OD-Score"], correlations["DtO of J"]
    mig, sup, distance, within = (signed(own[name]) for name in (MIG, MIG_SUP, DTO, WITHIN))
    return (
        f"{comparison} Its rank correlation with MIG is {mig}, with MIG-sup {sup} and with DtO {distance} over the "
        f"{int(_comparable(found).sum())} models with the most common number of active latents; within a method, it is "
        f"{within} with MIG. The rank correlation of DtO with MIG is {signed(dto[MIG])}."
    )


def _comparable(found: Sequence[Measured]) -> np.ndarray:
    return comparable([one.active for one in found])


def correlations_of(found: Sequence[Measured], scored: Scored) -> dict[str, dict[str, float]]:
    """Compute the rank correlations (Spearman) of each distance with MIG, MIG-sup and DtO, and with MIG within methods.

    Returns:
        Distance → key → correlation over comparable models, NaN if all values are equal. Within methods: the mean over
        methods with at least four comparable models. Empty for fewer than four models.

    """
    chosen: list[int] = np.flatnonzero(_comparable(found)).tolist()
    if len(chosen) < LEAST_FOR_A_CORRELATION:
        return {}
    models = [found[row] for row in chosen]
    distances = {
        "OD-Score": scored.alone[chosen],
        "d_U = d_V": np.array([one.trained.terms[2] for one in models]),
        "d_Σ": np.array([one.trained.terms[1] for one in models]),
        "to lengths": np.array([one.trained.lengths.mean() for one in models]),
        "DtO of J": np.array([one.dto for one in models]),
    }
    keys = {name: np.array([one.scores[name] for one in models]) for name in (MIG, MIG_SUP)}
    keys[DTO] = distances["DtO of J"]
    groups = [np.flatnonzero([one.method == method for one in models]) for method in dict.fromkeys(o.method for o in models)]
    groups = [group for group in groups if len(group) >= LEAST_FOR_A_CORRELATION]
    return {
        name: {key: _rank_correlation(values, column) for key, column in keys.items()}
        | {WITHIN: float(np.mean([_rank_correlation(values[group], keys[MIG][group]) for group in groups] or [np.nan]))}
        for name, values in distances.items()
    }


def _rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return Spearman's rank correlation; NaN if either argument is constant."""
    correlation = rank_correlation(first, second)
    return float("nan") if correlation is None else correlation


def _correlations_table(correlations: Mapping[str, Mapping[str, float]], found: Sequence[Measured]) -> TextTable:
    columns = {MIG: "MIG", MIG_SUP: "MIG-sup", DTO: "DtO of J", WITHIN: "MIG, within methods"}
    lines = [(name, *(_correlation(row[key]) for key in columns)) for name, row in correlations.items()]
    note = (
        f"Spearman's, over the {int(_comparable(found).sum())} models with the most common number of active latents, "
        "because distances grow with it; OD-Score among trained models. To lengths: distance of S from the lengths of M's "
        "columns (Lemma 4 b) instead of 1. Within methods: the mean over methods with four models or more."
    )
    return plain_table("Rank correlations", ("Distance", *columns.values()), lines, note=note)


def _correlation(value: float) -> str:
    return signed(value) if np.isfinite(value) else "–"


def draw_scores(path: Path, found: Sequence[Measured], scored: Scored) -> None:
    """Plot the OD-Score over MIG and over MIG-sup, one colour per method, with crosses for random decoders."""
    from matplotlib.lines import Line2D

    figure = style.new_figure(3.2)
    panels = figure.subplots(1, 2, sharey=True)
    methods = list(dict.fromkeys(one.method for one in found))
    colours = dict(zip(methods, ("#4477aa", "#ee6677", "#228833", "#aa3377", "#ccbb44", "#66ccee") * 9, strict=False))
    for axes, name, title in zip(panels, (MIG, MIG_SUP), ("MIG", "MIG-sup"), strict=True):
        places = [one.scores[name] for one in found]
        axes.plot(places, scored.random, "x", color=style.OTHER_COLOUR)
        for place, score, one in zip(places, scored.trained, found, strict=True):
            axes.plot(place, score, "o", color=colours[one.method], alpha=0.7)
        axes.set_xlabel(title, fontsize=style.SMALL)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        style.plain(axes, grid="both")
    panels[0].set_ylabel("OD-Score", fontsize=style.SMALL)
    shown = [Line2D([], [], color=colours[method], marker="o", linestyle="", label=method) for method in methods]
    shown.append(Line2D([], [], color=style.OTHER_COLOUR, marker="x", linestyle="", label="random decoder"))
    style.legend_above(figure, shown)
    style.save(figure, path)


INSTRUMENT = Instrument(
    name="od-score",
    question="Do decoders with a lower Orthogonality Deviation Score have a higher MIG, and what is in that score?",
    source="Bhowal et al. 2024, Lemma 4, section 4.4, A.8.3 to A.8.5, Tables 4 to 6, Figure 4",
    takes=("config", "run"),
    cost="half a minute per model",
    answer=answer,
)
