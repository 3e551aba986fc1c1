"""Is β the variance of the likelihood, and does a diagonal posterior favour orthogonal columns? A test of Allen (2024)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from perturb.analysis.deterministic_elbo import posterior_variances
from perturb.analysis.gaussian_vaes import Bounds, bounds, column_cosine, differences, posteriors
from perturb.analysis.linear_training import training_of
from perturb.analysis.linear_vae import loss, optimum, principal
from perturb.analysis.vector_training import trained
from perturb.config import ObjectiveConfig, TrainingConfig
from perturb.config.objectives import BetaVAEConfig, FullCovarianceVAEConfig, VAEConfig
from perturb.config.training import GaussianConfig
from perturb.datasets.samples import Samples
from perturb.datasets.synthetic import gaussian, nonlinear
from perturb.instruments.instrument import Answer, Instrument, Settings
from perturb.instruments.subject import Subjects
from perturb.objectives import Objective
from perturb.random.seeds import child_seed, torch_generator
from perturb.report import style
from perturb.report.section import Picture, Section
from perturb.report.table import TextTable, plain_table
from perturb.statistics.intervals import Estimate, over_clusters
from perturb.training.loop import ACTIVE

LINEAR, CURVED = "linear", "non-linear"
VARIANCES = {LINEAR: 0.25, CURVED: 0.001}
"""Variance of each likelihood, β σ² for a β-VAE: below the variances that the two latents should capture."""
LATENTS, SAMPLES, POINTS, DRAWS = 2, 10_000, 200, 32
STEPS, RATES = {LINEAR: 1_000, CURVED: 1_000}, {LINEAR: 3e-2, CURVED: 3e-3}
LOOKS = 1, 3, 10, 30, 100, 300, 1_000
"""Numbers of updates after which columns are measured."""
BETAS = {"4": 4.0, "⅓": 1 / 3}
"""A float32 multiplied by a power of 2 is exact, so the losses differ for Adam only through its ε. With ⅓, rounding adds."""
DIAGONAL, FULL = "diagonal", "full"
POSTERIORS: dict[str, ObjectiveConfig] = {DIAGONAL: VAEConfig(), FULL: FullCovarianceVAEConfig(beta=1.0)}
CLOUD = 8.0, 4.0, 2.0, 1.0, 0.5
"""Variances of the point cloud for the pruning test, one latent each."""
WIDE = 8 * np.sqrt(2)
"""Variance of its likelihood: above every variance of the data, so that at β = 1 a VAE gains nothing from its code."""
FALLING = 1.0, 1 / 2, 1 / 4, 1 / 8, 1 / 16
"""Decreasing values of β, each of which allows one more unit to be used."""
COLOURS = {DIAGONAL: "#4477aa", FULL: "#cc3311"}


@dataclass(frozen=True)
class Twins:
    """Differences between a VAE and other models with the same seeds, (2: codes and vectors, restarts)."""

    equivalent: Mapping[str, np.ndarray]
    """Differences from β-VAEs whose likelihood variance is divided by β, by the label of β."""
    other: np.ndarray
    """Differences from a VAE with a quarter of the likelihood variance, as a control."""


@dataclass(frozen=True)
class Columns:
    """Measurements of the models with one form of posterior on one set of vectors."""

    steps: np.ndarray
    cosines: np.ndarray
    """Mean |cos| between two columns of the decoders' Jacobians, (steps, restarts)."""
    bounds: Bounds
    """ELBOs of the models after training."""


def answer(subjects: Subjects, settings: Settings) -> Answer:
    """Train equivalent pairs of models, models with both forms of posterior, and VAEs with decreasing β."""
    seeds = [child_seed(settings.seed, "likelihood", number) for number in range(settings.seeds)]
    sets = {LINEAR: gaussian((4.0, 1.0, 0.04), settings.seed, SAMPLES), CURVED: nonlinear().samples(settings.seed, SAMPLES)}
    columns: dict[tuple[str, str], Columns] = {}
    twins: dict[str, Twins] = {}
    for name, samples in sets.items():
        model, columns[name, DIAGONAL] = _columns(name, DIAGONAL, samples, seeds, settings)
        _, columns[name, FULL] = _columns(name, FULL, samples, seeds, settings)
        twins[name] = _twins(name, model, samples, seeds, settings)
    best = optimum(principal(sets[LINEAR].values), LATENTS, variance=VARIANCES[LINEAR])
    points = sets[LINEAR].values[:POINTS] - best.mean
    optimal = -loss(best, points.T @ points / len(points), variance=VARIANCES[LINEAR])
    cloud = gaussian(CLOUD, settings.seed, SAMPLES)
    found = np.stack([_pruning(beta, cloud, seeds, settings) for beta in FALLING])
    expected = np.stack(
        [posterior_variances(principal(cloud.values).variances, len(CLOUD), beta * WIDE) for beta in FALLING]
    )
    path = settings.folder / "likelihood-variance.png"
    draw_both(path, found, principal(cloud.values).variances, columns)
    caption = (
        "Top: posterior variance of each unit of linear VAEs over β σ² (dots), and in closed form (lines, one for each "
        "principal variance λ): a unit is pruned from β σ² = λ on. Bottom: mean |cos| between the columns of decoders' "
        "Jacobians during training, mean and range over trainings."
    )
    alt = f"Two panels: units' posterior variances rise with β σ² until they are 1; columns' cosines fall. {_pruned(found)}"
    section = Section(
        title="β as the variance of the likelihood",
        text=_text(settings),
        figures=[Picture(path, caption, alt)],
        tables=[_twins_table(twins), _bounds_table(columns, optimal)],
    )
    numbers = _numbers(twins, columns, optimal, found, expected)
    return Answer(verdict=_verdict(twins, columns, found, expected), section=section, numbers=numbers)


def _training(name: str, variance: float) -> TrainingConfig:
    steps = STEPS[name]
    if name == LINEAR:
        return training_of(variance, steps=steps, batch_size=128, learning_rate=RATES[name])
    return TrainingConfig(
        architecture="mlp_vectors", steps=steps, batch_size=64, learning_rate=RATES[name], checkpoint_every=steps,
        likelihood=GaussianConfig(variance=variance),
    )  # fmt: skip


def _columns(
    name: str, posterior: str, samples: Samples, seeds: Sequence[int], settings: Settings
) -> tuple[Objective, Columns]:
    vectors, seen = samples.values[:POINTS], {}

    def look(step: int, model: Objective) -> None:
        seen[step] = column_cosine(model, vectors)

    model = trained(
        [samples] * len(seeds), POSTERIORS[posterior], _training(name, VARIANCES[name]), latents=LATENTS, seeds=seeds,
        device=settings.device, steps=LOOKS, look=look,
    )  # fmt: skip
    noise = torch_generator(settings.seed, "likelihood", name, posterior)
    found = bounds(model, vectors, draws=DRAWS, generator=noise)
    return model, Columns(np.array(list(seen)), np.stack(list(seen.values())), found)


def _twins(name: str, model: Objective, samples: Samples, seeds: Sequence[int], settings: Settings) -> Twins:
    def different(method: ObjectiveConfig, variance: float) -> np.ndarray:
        other = trained(
            [samples] * len(seeds), method, _training(name, variance), latents=LATENTS, seeds=seeds, device=settings.device
        )
        return differences(model, other, samples.values[:POINTS])

    noise = VARIANCES[name]
    equivalent = {label: different(BetaVAEConfig(beta=beta), noise / beta) for label, beta in BETAS.items()}
    return Twins(equivalent, different(VAEConfig(), noise / 4))


def _pruning(beta: float, cloud: Samples, seeds: Sequence[int], settings: Settings) -> np.ndarray:
    """Train linear VAEs with this β, and return their units' posterior variances, ascending, (restarts, latents)."""
    model = trained(
        [cloud] * len(seeds), BetaVAEConfig(beta=beta), _training(LINEAR, WIDE), latents=len(CLOUD), seeds=seeds,
        device=settings.device,
    )  # fmt: skip
    variances = posteriors(model, cloud.values[:POINTS]).logvar.double().exp().mean(dim=1)
    return np.sort(variances.cpu().numpy(), axis=1)


def _text(settings: Settings) -> tuple[str, ...]:
    return (
        "A β-VAE whose likelihood has the variance σ² has β times the loss of a VAE with the variance β σ², up to a "
        "constant (Allen 2024, Theorem 3). Adam is invariant to this factor, except for its ε and rounding. So with the "
        "same seeds both should learn the same.",
        "With a linear decoder the ELBO is known in closed form (equations 5 and 10), and a diagonal posterior costs "
        "nothing where the Jacobian's columns are orthogonal. A unit of a linear VAE pays only if its principal variance "
        f"exceeds β σ². {settings.seeds} trainings of each model.",
    )


def _verdict(
    twins: Mapping[str, Twins], columns: Mapping[tuple[str, str], Columns], found: np.ndarray, expected: np.ndarray
) -> str:
    same = max(values.max() for one in twins.values() for values in one.equivalent.values())
    other = min(one.other.min() for one in twins.values())
    ends = {key: one.cosines[-1].mean() for key, one in columns.items()}
    cosines = "; ".join(f"{ends[n, DIAGONAL]:.2f} and {ends[n, FULL]:.2f} for {n} decoders" for n in (LINEAR, CURVED))
    agree = int(((found < ACTIVE).sum(axis=2) == (expected < ACTIVE).sum(axis=1)[:, None]).sum())
    return (
        f"β-VAEs and VAEs of the variance β σ² differ by at most {same:.1e} of their codes' deviation, and VAEs of another "
        f"variance by {other:.2f} or more. |cos| between columns ends at {cosines} (diagonal and full posterior). The "
        f"number of pruned units is as in closed form in {agree} of {found[..., 0].size} linear VAEs: {_pruned(found)}"
    )


def _pruned(found: np.ndarray) -> str:
    counts = (found < ACTIVE).sum(axis=2).mean(axis=1)
    return (
        f"{counts[0]:.1f} of {found.shape[2]} units are used at β = 1, and {counts[-1]:.1f} at β = 1/{1 / FALLING[-1]:.0f}."
    )


def _with_width(values: np.ndarray, decimals: int = 2) -> str:
    found: Estimate = over_clusters(values[None])
    return f"{found.mean:.{decimals}f} ± {found.half_width or 0:.{decimals}f}".replace("-", "−")


def _twins_table(twins: Mapping[str, Twins]) -> TextTable:
    lines = []
    for name, one in twins.items():
        for label, values in one.equivalent.items():
            lines.append((f"{name}, β = {label}, σ² divided by it", *(f"{each.max():.1e}" for each in values)))
        lines.append((f"{name}, control: σ² divided by 4 alone", *(f"{each.min():.1e}" for each in one.other)))
    note = (
        "Differences from the VAE with the same seeds: root mean squares, relative to the codes' and vectors' own "
        "deviation; the largest over seeds, or for controls the smallest."
    )
    return plain_table("Theorem 3: differences from a VAE", ("Model", "codes", "decoders"), lines, note=note)


def _bounds_table(columns: Mapping[tuple[str, str], Columns], optimal: float) -> TextTable:
    lines = []
    for (name, posterior), one in columns.items():
        found = one.bounds
        closed = (found.encoder - found.sampled, found.diagonal - found.encoder, found.full - found.diagonal)
        cells = (_with_width(found.sampled), *(_with_width(values, 3) for values in closed))
        lines.append((f"{name}, {posterior}", *cells, _with_width(one.cosines[-1])))
    note = (
        f"Nats per vector, means over trainings with their 95 % interval, on {POINTS} vectors; {DRAWS} codes of each for "
        f"the sampled bound. The linear optimum in closed form is {optimal:.2f}.".replace("-", "−")
    )
    header = (
        "Decoder, posterior", "ELBO, sampled", "eq. 5 less sampled", "best diagonal Σ less encoder's",
        "full Σ (eq. 10) less diagonal", "cos of columns",
    )  # fmt: skip
    return plain_table("The ELBO, sampled and in closed form", header, lines, note=note)


def _numbers(
    twins: Mapping[str, Twins],
    columns: Mapping[tuple[str, str], Columns],
    optimal: float,
    found: np.ndarray,
    expected: np.ndarray,
) -> dict[str, JsonValue]:
    numbers: dict[str, JsonValue] = {
        f"{name} decoder": {
            "differences": {label: values.tolist() for label, values in twins[name].equivalent.items()},
            "control": twins[name].other.tolist(),
            **{
                posterior: {
                    "steps": columns[name, posterior].steps.tolist(),
                    "cosines": columns[name, posterior].cosines.tolist(),
                    **{key: values.tolist() for key, values in vars(columns[name, posterior].bounds).items()},
                }
                for posterior in POSTERIORS
            },
        }
        for name in twins
    }
    pruning: dict[str, JsonValue] = {
        "likelihood_variance": float(WIDE),
        "beta": list(FALLING),
        "found": found.tolist(),
        "expected": expected.tolist(),
    }
    return numbers | {"linear_optimum": optimal, "pruning": pruning}


def draw_both(path: Path, found: np.ndarray, variances: np.ndarray, columns: Mapping[tuple[str, str], Columns]) -> None:
    """Plot posterior variances over β σ², and columns' cosines over updates."""
    figure = style.new_figure(5.2)
    above, below = figure.subplots(2, 1)
    noises = np.array(FALLING) * WIDE
    fine = np.geomspace(noises.min() / 1.3, noises.max() * 1.3, 200)
    lines = np.stack([posterior_variances(variances, len(CLOUD), noise) for noise in fine])
    above.semilogx(fine, lines, color="#777777", linewidth=1)
    for noise, units in zip(noises, found, strict=True):
        places = noise * 1.04 ** (style.jitter(units.size, width=2).reshape(units.shape))
        above.plot(places.ravel(), units.ravel(), "o", color=COLOURS[DIAGONAL], alpha=0.5, markersize=3)
    above.set_xticks(noises, [f"{noise:.2g}" for noise in noises])
    above.minorticks_off()
    above.set_ylim(0, 1.1)
    above.set_xlabel(f"β σ², where σ² = {WIDE:.2g}", fontsize=style.SMALL)
    above.set_ylabel("posterior variance of units", fontsize=style.SMALL)
    for (name, posterior), one in columns.items():
        look = {"color": COLOURS[posterior], "linestyle": "-" if name == LINEAR else "--"}
        below.semilogx(one.steps, one.cosines.mean(axis=1), linewidth=1.4, label=f"{name}, {posterior} posterior", **look)
        low, high = one.cosines.min(axis=1), one.cosines.max(axis=1)
        below.fill_between(one.steps, low, high, color=COLOURS[posterior], alpha=0.1, linewidth=0)
    steps = next(iter(columns.values())).steps
    below.set_xticks(steps, [f"{step:,}" for step in steps])
    below.minorticks_off()
    below.set_ylim(0, 1.02)
    below.set_xlabel("updates", fontsize=style.SMALL)
    below.set_ylabel("|cos| between columns", fontsize=style.SMALL)
    for axes in (above, below):
        style.plain(axes, grid="y")
    figure.legend(
        *below.get_legend_handles_labels(), loc="outside lower left", ncols=2, fontsize=style.SMALL, frameon=False
    )  # fmt: skip
    style.save(figure, path)


INSTRUMENT = Instrument(
    name="likelihood-variance",
    question="Is β the variance of the likelihood, and do diagonal posteriors make a Jacobian's columns orthogonal?",
    source="Allen 2024, equations 5, 6 and 8 to 10, Theorem 3, Corollary 3.1",
    takes=("nothing",),
    cost="a minute or two",
    answer=answer,
)
