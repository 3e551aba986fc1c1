"""Is a VAE in the polarized regime, and what does its noise cost? Units, ΔKL and both parts of the reconstruction loss."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from perturb.analysis.polarized import Split, Units, reconstruction_split, share_below, units_of
from perturb.errors import UserError
from perturb.instruments.coder import Coder, coder_of, external_model
from perturb.instruments.instrument import Answer, Instrument, Settings
from perturb.instruments.subject import Subjects, TrainedModel
from perturb.manifests import run_file
from perturb.objectives.polarized import LEAST_DEVIATION
from perturb.random.seeds import numpy_generator, some_of, torch_generator
from perturb.report import style
from perturb.report.section import Picture, Section
from perturb.report.table import plain_table
from perturb.report.words import share
from perturb.training.curve import CURVE, read_curve
from perturb.training.loop import ACTIVE

IMAGES, DRAWS, BATCH = 1_000, 8, 64
"""Number of images, of codes drawn from each posterior to split the reconstruction loss, and of images decoded at once."""
LIMIT = 0.03
"""ΔKL below which the thesis counts a training as polarized."""


@dataclass(frozen=True)
class Regime:
    """Measurements of one model with regard to the polarized regime."""

    units: Units
    split: Split
    polarized_for: float | None
    """Final share of the training throughout which ΔKL stays below 3 %; None if no curve tells."""


def answer(subjects: Subjects, settings: Settings) -> Answer:
    """Measure every finished model that was trained with a KL term and a diagonal posterior, or an external model."""
    if subjects.kind == "model":
        found = {subjects.name: _regime(external_model(subjects, settings).coder(), settings, None)}
    else:
        chosen = [model for model in subjects.some(settings.seeds) if _suits(model)]
        found = {one.label: _regime(coder_of(one, settings.device), settings, _polarized_for(one)) for one in chosen}
    if not found:
        raise UserError(f"{subjects.name}: no finished training of a VAE with a diagonal posterior.")
    path = settings.folder / "polarized-regime.png"
    draw_units(path, found)
    header = (
        "Model", "E[σ²] < 0.8", "sd(μ) > 0.5", "KL", "ΔKL", "ΔKL < 3 % for", "deterministic", "stochastic", "missing",
    )  # fmt: skip
    note = (
        f"At most {IMAGES:,} images, {DRAWS} codes of each. The second and third column count units; ΔKL < 3 % for: the "
        "final share of the training throughout which this holds (– if no curve tells). Squared errors of "
        "mean images, sums over pixels; missing: the total less both parts, 0 under Proposition 4."
    )
    table = plain_table("Polarized regime", header, [_line(*one) for one in found.items()], note=note)
    caption = "Each dot is a unit: the mean of its posterior variances over the variance of its means; dashed: thresholds."
    precise = np.concatenate([one.units.precise for one in found.values()])
    alt = f"A scatter plot on logarithmic axes; {precise.sum()} of {len(precise)} units have a variance below {ACTIVE}."
    section = Section(title="Polarized regime", text=[_why()], figures=[Picture(path, caption, alt)], tables=[table])
    return Answer(verdict=_verdict(found), section=section, numbers={label: _numbers(one) for label, one in found.items()})


def _suits(model: TrainedModel) -> bool:
    """Return whether a model has a KL term, and posteriors for which L≈KL is defined."""
    return model.has_kl and model.config.objective.kind != "full_covariance_vae"


def _regime(coder: Coder, settings: Settings, polarized_for: float | None) -> Regime:
    images = some_of(coder.size, IMAGES, numpy_generator(settings.seed, "polarized-regime"))
    means, logvars = coder.posterior(images)
    parts = range(0, len(images), BATCH)
    split = reconstruction_split(
        coder.decode,
        ((coder.images(images[at : at + BATCH]), means[at : at + BATCH], logvars[at : at + BATCH]) for at in parts),
        draws=DRAWS,
        generator=torch_generator(settings.seed, "polarized-regime"),
    )
    return Regime(units_of(means.cpu().numpy(), logvars.cpu().numpy()), split, polarized_for)


def _polarized_for(model: TrainedModel) -> float | None:
    """Return the final share of a training throughout which ΔKL stays below 3 %; None if its curve does not include it."""
    curve = read_curve(run_file(model.run, CURVE))
    return share_below(curve["step"], curve["delta_kl"], LIMIT) if "delta_kl" in curve else None


def _line(label: str, found: Regime) -> tuple[str, ...]:
    units, split = found.units, found.split
    return (
        label,
        str(units.precise.sum()),
        str(units.moving.sum()),
        f"{units.kl:.1f}",
        share(units.delta_kl, 1),
        "–" if found.polarized_for is None else share(found.polarized_for),
        f"{split.deterministic:.2f}",
        f"{split.stochastic:.2f}",
        f"{split.missing:.2f}".replace("-", "−"),
    )


def _numbers(found: Regime) -> dict[str, JsonValue]:
    units = found.units
    return {
        "posterior_variances": units.posterior_variances.tolist(),
        "mean_variances": units.mean_variances.tolist(),
        "kl": units.kl,
        "polarized_kl": units.polarized_kl,
        "delta_kl": units.delta_kl,
        "polarized_for": found.polarized_for,
        **asdict(found.split),
    }


def _why() -> str:
    return (
        "The theory assumes that every unit is either pruned (μ² ≪ 1, σ² ≈ 1) or precise (σ² ≪ 1). The KL divergence is "
        "then nearly L≈KL of equation 3.5, and ΔKL is the relative difference. Only the stochastic part of the "
        "reconstruction loss then depends on the orientation of the decoder's axes."
    )


def _verdict(found: Mapping[str, Regime]) -> str:
    regimes = list(found.values())
    polarized = sum(one.units.delta_kl < LIMIT for one in regimes)
    agree = sum(np.array_equal(one.units.precise, one.units.moving) for one in regimes)
    missing = float(np.mean([abs(one.split.missing) / one.split.total for one in regimes]))
    noise = float(np.mean([one.split.stochastic / one.split.total for one in regimes]))
    return (
        f"ΔKL is below {share(LIMIT)} in {polarized} of {len(regimes)} models, and both definitions of an active unit agree "
        f"in {agree}. The stochastic part is {share(noise)} of the squared error on average; {share(missing, 1)} of the "
        "error belongs to neither part."
    )


def draw_units(path: Path, found: Mapping[str, Regime]) -> None:
    """Draw a dot for each unit of each model, on logarithmic axes."""
    figure = style.new_figure(3.2)
    axes = figure.subplots()
    means = np.concatenate([one.units.mean_variances for one in found.values()])
    variances = np.concatenate([one.units.posterior_variances for one in found.values()])
    axes.loglog(means.clip(min=1e-8), variances, "o", color="#4477aa", alpha=0.5, markersize=4)
    axes.axhline(ACTIVE, color="#777777", linestyle="--", linewidth=1)
    axes.axvline(LEAST_DEVIATION**2, color="#777777", linestyle="--", linewidth=1)
    axes.tick_params(which="minor", labelleft=False, labelbottom=False)
    axes.set_xlabel("variance of the means", fontsize=style.SMALL)
    axes.set_ylabel("mean posterior variance", fontsize=style.SMALL)
    style.plain(axes, grid="both")
    style.save(figure, path)


INSTRUMENT = Instrument(
    name="polarized-regime",
    question="Is every unit of a VAE either pruned or precise, and which part of the reconstruction's loss is its noise?",
    source="thesis 3.2.2 and 3.3.2, equations 3.5 to 3.10 and 3.38, Definition 1, Table 3.2",
    takes=("config", "run", "model"),
    cost="seconds per model",
    answer=answer,
)
