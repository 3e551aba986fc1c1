"""The thesis's study of vectors: which models have orthogonal axes, and do these models score higher?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import JsonValue

from perturb.analysis.linear_minimum import Noise, minimised
from perturb.analysis.vector_study import (
    CHANCE,
    Measured,
    factors_distance,
    of_linear,
    of_networks,
    random_decoders,
    turned_square,
)
from perturb.analysis.vector_training import trained, untrained
from perturb.config import ObjectiveConfig, TrainingConfig
from perturb.config.objectives import AutoencoderConfig, BetaVAEConfig, FullCovarianceVAEConfig, VAEConfig
from perturb.config.training import Architecture, GaussianConfig
from perturb.datasets.synthetic import NONLINEAR_DIMENSIONS, linear, nonlinear
from perturb.instruments.instrument import Answer, Instrument, Settings
from perturb.instruments.subject import Subjects
from perturb.instruments.synthetic_figure import ByName, draw_panels
from perturb.random.seeds import child_seed
from perturb.report.section import Picture, Section
from perturb.report.table import Cell, TextTable
from perturb.report.words import listed, signed
from perturb.statistics.intervals import over_clusters
from perturb.statistics.ranks import rank_correlation

LINEAR, NONLINEAR, DEGENERATE = "Synth. Lin.", "Synth. Non-Lin.", "β-VAE, nearly equal factors"
BETA, VAE, AE, FULL, RANDOM = "β-VAE", "VAE", "AE", "β-VAE_Σ", "random decoder"
BETAS = {LINEAR: 1e-4, NONLINEAR: 1e-3}
"""The thesis's β of each set (Table 3.1)."""
NOISES: dict[str, Noise] = {BETA: "diagonal", VAE: "diagonal", AE: "none", FULL: "full"}
"""Form of the posterior covariance in each method's linear model."""
CONFIGS: dict[str, ObjectiveConfig] = {
    BETA: BetaVAEConfig(beta=BETAS[NONLINEAR]),
    VAE: VAEConfig(),
    AE: AutoencoderConfig(),
    FULL: FullCovarianceVAEConfig(beta=BETAS[NONLINEAR]),
}
"""Config of each method for the networks on the non-linear set."""
LATENTS = 2
VARIANCE = 0.5
"""Variance of the likelihood, which makes the loss ‖x − x̂‖² + β · KL."""
RATES, STEPS, BATCH = (3e-3, 1e-3), 1_500, 128
"""Training of the non-linear models: successive learning rates of Adam, updates per rate, and vectors per batch."""
RATIO, RATIOS = 2.0, (1.0, 1.2, 1.5)
"""Ratios of the factors' lengths: in the linear set, and in the degenerate case (thesis 3.3.4)."""
STRANGERS = 100
"""Number of random decoders of each architecture."""
THESIS = {
    (LINEAR, "DS"): {BETA: "0.99 ± 0.01", AE: "0.71 ± 0.19", FULL: "0.71 ± 0.31"},
    (LINEAR, "DtO"): {BETA: "0.00 ± 0.00", AE: "0.33 ± 0.18", FULL: "0.34 ± 0.35", RANDOM: "0.79 ± 0.21"},
    (NONLINEAR, "DS"): {BETA: "0.73 ± 0.16", AE: "0.59 ± 0.30", FULL: "0.42 ± 0.24"},
    (NONLINEAR, "DtO"): {BETA: "0.18 ± 0.02", AE: "0.54 ± 0.13", FULL: "0.55 ± 0.02", RANDOM: "0.89 ± 0.16"},
    ("ratio", "DS"): {"1.0": "0.51 ± 0.28", "1.2": "0.76 ± 0.25", "1.5": "0.98 ± 0.06"},
    ("ratio", "DtO"): {"1.0": "0.49 ± 0.32", "1.2": "0.20 ± 0.24", "1.5": "0.01 ± 0.06"},
}
"""Numbers of the thesis's Tables 3.3 and 3.4 as printed: by row and measure, then by column."""
MEASURES: dict[str, Callable[[Measured], np.ndarray]] = {"DS": lambda one: one.scores, "DtO": lambda one: one.distances}


@dataclass(frozen=True)
class Study:
    """Measurements of all models of the study."""

    main: Mapping[str, ByName]
    """Measurements by set of vectors, then by method."""
    ratios: ByName
    """Measurements of linear β-VAEs by the ratio of the factors' lengths."""
    factors: Sequence[float]
    """DtO of the factors themselves as a code, for the non-linear set of each repetition."""


def answer(subjects: Subjects, settings: Settings) -> Answer:
    """Train every method on both sets, and β-VAEs on linear sets with nearly equal variances."""
    bent = [nonlinear(seed) for seed in _seeds(settings)]
    study = Study(
        main={
            LINEAR: {method: _linear(RATIO, method, settings) for method in NOISES}
            | {RANDOM: _random("linear", 3, settings)},
            NONLINEAR: {method: _nonlinear(method, settings) for method in CONFIGS}
            | {RANDOM: _random("mlp_vectors", NONLINEAR_DIMENSIONS, settings)},
        },
        ratios={f"{ratio:.1f}": _linear(ratio, BETA, settings) for ratio in RATIOS},
        factors=[factors_distance(one, one.sample(settings.seed, 1_000)[0]) for one in bent],
    )
    turned = turned_square(np.linspace(0, 45, 10).tolist(), seed=settings.seed)
    path = settings.folder / "synthetic-study.png"
    panels = {name: {method: one for method, one in found.items() if method != RANDOM} for name, found in study.main.items()}
    random = {name: float(found[RANDOM].distances.mean()) for name, found in study.main.items()}
    nearly = {f"ratio {ratio}": one for ratio, one in study.ratios.items()}
    draw_panels(path, panels | {DEGENERATE: nearly}, random=random, turned={LINEAR: turned, DEGENERATE: turned})
    verdict = _verdict(study)
    caption = (
        "One mark per training; models with a pruned latent have none. Dashed: a square turned by 0° to 45° relative to its "
        "factors. Grey line: the mean DtO of random decoders, which have no DS."
    )
    section = Section(
        title="Orthogonality and disentanglement of vectors",
        text=_text(settings, study),
        explained=_explained(),
        figures=[Picture(path, caption, f"Three scatter plots of DS over DtO, one mark per training. {verdict}")],
        tables=[_table(study), _ratio_table(study)],
    )
    return Answer(verdict=verdict, section=section, numbers=_numbers(study))


def _seeds(settings: Settings) -> list[int]:
    """Return the seed of each repetition, which its network, samples, initial weights and training use."""
    return [child_seed(settings.seed, "synthetic-study", number) for number in range(settings.seeds)]


def training_of(architecture: Architecture) -> TrainingConfig:
    """Return the training settings of an architecture, except the learning rates."""
    return TrainingConfig(
        architecture=architecture, steps=STEPS, batch_size=BATCH, checkpoint_every=STEPS,
        likelihood=GaussianConfig(variance=VARIANCE),
    )  # fmt: skip


def _linear(ratio: float, method: str, settings: Settings) -> Measured:
    """Measure linear models of one method, each on its own samples."""
    seeds, beta = _seeds(settings), 1.0 if method == VAE else BETAS[LINEAR]
    sets = [linear(ratio).samples(seed) for seed in seeds]
    models = [
        minimised(one.part("train").values, NOISES[method], latents=LATENTS, beta=beta, variance=VARIANCE, seed=seed)
        for seed, one in zip(seeds, sets, strict=True)
    ]
    return of_linear(models, [one.part("test") for one in sets], seed=settings.seed)


def _nonlinear(method: str, settings: Settings) -> Measured:
    """Train and measure networks of one method, each on samples of its own set."""
    seeds = _seeds(settings)
    sets = [nonlinear(seed).samples(seed) for seed in seeds]
    model = trained(
        [one.part("train") for one in sets], CONFIGS[method], training_of("mlp_vectors"),
        latents=LATENTS, seeds=seeds, rates=RATES, device=settings.device,
    )  # fmt: skip
    return of_networks(model, [one.part("test") for one in sets], seed=settings.seed)


def _random(architecture: Architecture, channels: int, settings: Settings) -> Measured:
    """Measure untrained decoders of an architecture."""
    seeds = [child_seed(settings.seed, "random decoder", number) for number in range(STRANGERS)]
    model = untrained(
        CONFIGS[VAE], training_of(architecture), channels=channels, latents=LATENTS, seeds=seeds, device=settings.device
    )  # fmt: skip
    return random_decoders(model, seed=settings.seed)


def _text(settings: Settings, study: Study) -> tuple[str, ...]:
    own = listed([f"{distance:.2f}" for distance in study.factors])
    return (
        "A unit square is embedded in space, linearly or by a random network. If a VAE's noise makes the columns of its "
        "decoder's Jacobians orthogonal (DtO near 0), its latents should lie along the factors (DS near 1). An autoencoder "
        "has no noise, and β-VAE_Σ has noise of any shape, so neither should have preferred axes (thesis 3.3). VAEs, whose "
        "β is 1, prune latents on such sets, and then have neither DtO nor DS.",
        "Latents along the directions of largest variance are latents along the factors only if these coincide. On the "
        "linear set they do, unless the ratio is 1. On the non-linear set each repetition has its own random network, and "
        f"the factors, taken as a code, have a DtO of {own}: if it is large, orthogonal columns mean axes other than the "
        "factors'. The thesis has one network and says no more about it.",
        f"{settings.seeds} trainings per cell. Two latents with uniformly random directions have a DtO of {CHANCE:.2f} on "
        "average; random linear decoders have more, since two random columns are about equally long.",
    )


def _explained() -> tuple[str, ...]:
    rates = listed([f"{rate:g}" for rate in RATES])
    return (
        "Architectures, β, the 50,000 samples and their split are those of the thesis's section 3.3.1; the loss is "
        "‖x − x̂‖² + β · KL, sums over values and latents. DS follows equations 3.32 to 3.37 on the test part, a fifth of "
        "which is predicted from the rest.",
        "The trainings are shorter. The thesis uses Adam with a learning rate of 0.001 for 600 epochs, in batches of an "
        "unstated size. Here the expected loss of linear models, over the training part and all noise, is minimised by "
        "L-BFGS, so they end at their optimum and not just near it. Non-linear models are trained by Adam in batches of "
        f"{BATCH}, with learning rates of {rates} for {STEPS:,} updates each.",
        "The thesis's other sets are not included. MNIST and FashionMNIST would have to be downloaded, and have no factors "
        "to score; its networks for dSprites take hours on one core. `perturb analyse orthogonality` gives the DtO of an "
        "experiment's models.",
    )


def _verdict(study: Study) -> str:
    """Word the verdict: DtO by set, DS for nearly equal factors, and the rank correlation of DtO and DS."""
    parts = [_compared(name, found) for name, found in study.main.items()]
    ratios = listed([f"{_spread(one.scores)} at the ratio {ratio}" for ratio, one in study.ratios.items()])
    correlations = listed([f"on {name} {signed(_rank_correlation(found))}" for name, found in study.main.items()])
    return (
        f"{' '.join(parts)} The DS of linear β-VAEs on nearly equal factors is {ratios}. The rank correlation of DtO and DS "
        f"is {correlations}."
    )


def _compared(name: str, found: ByName) -> str:
    """Word the comparison of DtO between β-VAEs and the controls, judged by intervals of the paired differences."""
    larger = [method for method in (FULL, AE) if _is_above(found[method].distances - found[BETA].distances)]
    outcome = "which does not tell them apart", f"less than {''.join(larger)}'s alone", "less than both, as the thesis says"
    each = listed([f"{method} {_spread(found[method].distances)}" for method in (FULL, AE)])
    return f"{name}: the DtO of β-VAEs is {_spread(found[BETA].distances)} ({each}), {outcome[len(larger)]}."


def _is_above(differences: np.ndarray) -> bool:
    """Return whether the 95 % interval of the mean of the finite differences is above 0."""
    kept = differences[np.isfinite(differences)]
    low = over_clusters(kept[None]).interval[0] if len(kept) else None
    return low is not None and low > 0


def _rank_correlation(found: ByName) -> float:
    """Return the rank correlation of DtO and DS over all trained models that have both; NaN if it is not defined."""
    pairs = np.array([pair for one in found.values() for pair in zip(one.distances, one.scores, strict=True)])
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    correlation = rank_correlation(pairs[:, 0], pairs[:, 1])
    return float("nan") if correlation is None else correlation


def _spread(values: np.ndarray) -> str:
    """Format mean and standard deviation of the finite values; a dash if there are none."""
    kept = values[np.isfinite(values)]
    if not len(kept):
        return "–"
    return f"{kept.mean():.2f} ± {kept.std(ddof=1):.2f}" if len(kept) > 1 else f"{kept[0]:.2f}"


def _table(study: Study) -> TextTable:
    columns = (*NOISES, RANDOM)
    lines = tuple(
        (f"{name}, {measure}", tuple(_cell(found[column], name, column, measure) for column in columns))
        for name, found in study.main.items()
        for measure in MEASURES
    )
    note = "Mean and standard deviation; – if in no model both latents are active (mean posterior variance below 0.8)."
    return TextTable(
        title="Table 3.3: orthogonality and disentanglement", corner="Set", columns=columns, lines=lines, note=note
    )


def _ratio_table(study: Study) -> TextTable:
    lines = tuple(
        (measure, tuple(_cell(one, "ratio", ratio, measure) for ratio, one in study.ratios.items())) for measure in MEASURES
    )
    return TextTable(
        title="Table 3.4: β-VAEs by ratio", corner="Ratio of the factors", columns=tuple(study.ratios), lines=lines
    )


def _cell(one: Measured, row: str, column: str, measure: str) -> Cell:
    values = MEASURES[measure](one)
    kept = int(np.isfinite(values).sum())
    partly = (f"{kept} of {len(values)}",) if 0 < kept < len(values) else ()
    beside = THESIS[row, measure].get(column, "")
    return Cell(_spread(values), partly, beside=beside, source="thesis" if beside else "")


def _numbers(study: Study) -> dict[str, JsonValue]:
    main: dict[str, JsonValue] = {
        name: {method: _listed(one) for method, one in found.items()} for name, found in study.main.items()
    }
    return {
        **main,
        "ratios": {ratio: _listed(one) for ratio, one in study.ratios.items()},
        "factors_dto": list(study.factors),
        "rank_correlations": {name: _rank_correlation(found) for name, found in study.main.items()},
    }


def _listed(one: Measured) -> dict[str, JsonValue]:
    """Return every model's DS, DtO and number of active latents for JSON, with null for missing values."""
    found: dict[str, JsonValue] = {
        key.lower(): [float(value) if np.isfinite(value) else None for value in read(one)] for key, read in MEASURES.items()
    }
    return found | {"active": one.active.sum(axis=1).tolist()}


INSTRUMENT = Instrument(
    name="synthetic-study",
    question="On vectors with known factors, which models have orthogonal axes, and do these score higher?",
    source="thesis 3.2.6 to 3.3.4, equations 3.25 to 3.37, Tables 3.1, 3.3 and 3.4, Figures 3.4 and 3.5",
    takes=("nothing",),
    cost="a few minutes",
    answer=answer,
)
