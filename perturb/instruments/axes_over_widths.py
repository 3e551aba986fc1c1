"""At which posterior widths does a pattern rotate a code's axes? Saving and MIG on the cheapest axes, by width."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import JsonValue

from perturb.analysis.axes import pooled_images, slopes_around
from perturb.analysis.prediction import SAMPLE, mig_of, turned
from perturb.datasets.hdf5.reader import BenchmarkFile
from perturb.errors import UserError
from perturb.instruments.instrument import Answer, Instrument, Settings
from perturb.instruments.subject import Subjects, TrainedModel
from perturb.manifests import run_file
from perturb.objectives.encode import encode
from perturb.perturbation.local_metric import active_codes, active_latents
from perturb.perturbation.span import principal_directions
from perturb.perturbation.stored import Images
from perturb.random.seeds import numpy_generator, some_of, torch_generator
from perturb.report import style
from perturb.report.section import Picture, Section
from perturb.report.table import TextTable, plain_table
from perturb.statistics.scores import BASELINE

WIDTHS = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4)
"""Widths in standard deviations of the code. Neighbourhoods narrower than the first contain too few images of a grid."""
EARLY = WIDTHS.index(1.0)
"""Index of the prior's width, at which a VAE begins to settle its axes."""
RESTARTS = "restart"


@dataclass(frozen=True)
class Code:
    """One model's code of the original images."""

    values: torch.Tensor
    """Standardised codes of the active latents, (images, latents)."""
    width: float
    """Posterior standard deviation of an active latent relative to the code's, averaged over images and latents."""


@dataclass(frozen=True)
class Turned:
    """The effect of rotating the axes on one variant's images, for all codes and widths."""

    saving: np.ndarray
    """Nats per unit of β that the cheapest axes would save, (patterns, codes, widths)."""
    mig: np.ndarray
    """MIG on the cheapest axes, (patterns, codes, widths)."""


@dataclass(frozen=True)
class Found:
    """The codes, and the effect of rotating their axes on the images of every variant."""

    codes: list[Code]
    kept: np.ndarray
    """MIG of the codes as they are, (codes,)."""
    variants: Mapping[str, Turned]

    @property
    def width(self) -> float:
        """Width of the posteriors at the end of training, averaged over the codes."""
        return float(np.mean([code.width for code in self.codes]))


def answer(subjects: Subjects, settings: Settings) -> Answer:
    """Fit the metric of every variant's images around the restarts' codes, at each width."""
    found = _measured(subjects, settings)
    path = settings.folder / "axes-over-widths.png"
    draw(path, found)
    verdict = _verdict(found)
    caption = (
        "Above: MIG of the restarts' codes when turned onto the axes that are cheapest for a variant's images; horizontal "
        "line: MIG of the codes as they are. Below: what turning saves. Thin: single patterns, means over the codes. "
        "Dashed: the width of the restarts' posteriors at the end of their training."
    )
    alt = f"Two panels over the posterior width, one line per variant: MIG on the cheapest axes, and the saving. {verdict}"
    section = Section(
        title="Axes over widths", text=_text(found), figures=[Picture(path, caption, alt)], tables=[_table(found)]
    )
    return Answer(verdict=verdict, section=section, numbers=_numbers(found))


def _measured(subjects: Subjects, settings: Settings) -> Found:
    restarts = [model for model in subjects.some(settings.seeds) if model.method == RESTARTS and model.has_kl]
    if not restarts:
        raise UserError(f"{subjects.name}: no restart is finished whose posterior has a width; run the experiment first.")
    truth, pixels = restarts[0].truth, restarts[0].pixels
    numbers = some_of(len(truth.grid), SAMPLE, numpy_generator(settings.seed, "axes-over-widths"))
    factors, directions = truth.grid.factors_of(numbers), principal_directions(pixels, truth.grid)
    codes = [_code(model, numbers, settings) for model in restarts]
    looked_at: dict[str, Sequence[Images]] = {BASELINE: [pixels]}
    looked_at |= {
        variant: [BenchmarkFile(run_file(run, "*.h5")) for run in runs] for variant, runs in subjects.files.items()
    }
    seen = {
        variant: [pooled_images(images, numbers) @ directions.T for images in patterns]
        for variant, patterns in looked_at.items()
    }
    price = subjects.config.perturbation.alignment.price
    cells = {variant: np.empty((2, len(patterns), len(codes), len(WIDTHS))) for variant, patterns in seen.items()}
    for row, code in enumerate(codes):
        for column, width in enumerate(WIDTHS):
            slopes = slopes_around(code.values, torch_generator(settings.seed, "anchors"), width)
            for variant, patterns in seen.items():
                for place, images in enumerate(patterns):
                    cells[variant][:, place, row, column] = turned(code.values, factors, slopes, images, price)
    kept = np.array([mig_of(code.values, factors) for code in codes])
    return Found(codes, kept, {variant: Turned(both[0] / 2, both[1]) for variant, both in cells.items()})


def _code(model: TrainedModel, numbers: np.ndarray, settings: Settings) -> Code:
    means, logvars = encode(model.objective(settings.device), model.pixels, numbers)
    active = active_latents(logvars)
    widths = np.exp(logvars[:, active] / 2).mean(axis=0) / means[:, active].std(axis=0)
    return Code(active_codes(means, logvars), float(widths.mean()))


def _text(found: Found) -> tuple[str, ...]:
    return (
        "A VAE begins to settle its axes while its posteriors are about as wide as the prior, a standard deviation of the "
        "code, and they grow narrower for as long as it learns. Within such narrow neighbourhoods, images have different "
        "slopes: the hue circle is nearly straight there, and steep. So a pattern may turn the axes early in training but "
        "not late.",
        f"The codes are those of {len(found.codes)} restarts for the original images. Around 256 of the codes, the slopes "
        "of each variant's images are fitted in neighbourhoods of each width, within the directions in which the originals "
        "vary. Nothing is trained. Where turning saves next to nothing, no axes are preferred, and the MIG on the cheapest "
        "axes means little.",
    )


def _verdict(found: Found) -> str:
    """Compare the prior's width with the narrowest width on the modified images, or else on the first variant."""
    name = next((variant for variant in ("modified", *found.variants) if variant in found.variants), BASELINE)
    saving, mig = (values.mean(axis=(0, 1)) for values in (found.variants[name].saving, found.variants[name].mig))
    return (
        f"On {name} images, the cheapest axes save {saving[EARLY]:.2f} nats per unit of β at a width of "
        f"{WIDTHS[EARLY]:g} and {saving[0]:.2f} at {WIDTHS[0]:g}; on these axes the codes' MIG is {mig[EARLY]:.2f} and "
        f"{mig[0]:.2f}, and {found.kept.mean():.2f} on their own. The restarts' posteriors end with a width of "
        f"{found.width:.2f}."
    )


def _table(found: Found) -> TextTable:
    lines = [
        (
            variant,
            f"{len(both.saving)}",
            *(
                f"{saving:.2f} / {mig:.2f}"
                for saving, mig in zip(both.saving.mean(axis=(0, 1)), both.mig.mean(axis=(0, 1)), strict=True)
            ),
        )
        for variant, both in found.variants.items()
    ]
    note = (
        f"Nats per unit of β that the cheapest axes save / MIG on them, means over patterns and {len(found.codes)} codes, "
        f"which have a MIG of {found.kept.mean():.2f} as they are. Widths in standard deviations of the code."
    )
    return plain_table("The cheapest axes by width", ("Variant", "patterns", *map(str, WIDTHS)), lines, note=note)


def _numbers(found: Found) -> dict[str, JsonValue]:
    return {
        "widths": list(WIDTHS),
        "posterior_widths": [code.width for code in found.codes],
        "mig": found.kept.tolist(),
        "saving": {variant: both.saving.tolist() for variant, both in found.variants.items()},
        "mig_turned": {variant: both.mig.tolist() for variant, both in found.variants.items()},
    }


def draw(path: Path, found: Found) -> None:
    """Plot the MIG on the cheapest axes and their saving over the width, one line per variant."""
    figure = style.new_figure(4.6)
    migs, savings = figure.subplots(2, 1, sharex=True)
    for variant, both in found.variants.items():
        look = {"color": style.colour(variant)}
        for axes, values in ((migs, both.mig), (savings, both.saving)):
            for pattern in values.mean(axis=1):
                axes.plot(WIDTHS, pattern, alpha=0.35, linewidth=0.7, **look)
            axes.plot(WIDTHS, values.mean(axis=(0, 1)), marker=style.marker(variant), linewidth=1.4, ms=4, **look)
    migs.axhline(found.kept.mean(), color="#777777", linewidth=0.8)
    for axes, label in ((migs, "MIG when turned"), (savings, "saving, nats per β")):
        axes.axvline(found.width, color="#777777", linestyle="--", linewidth=1)
        axes.set_ylabel(label, fontsize=style.SMALL)
        axes.set_ylim(bottom=0)
        style.plain(axes, grid="y")
    migs.text(found.width * 1.06, 0.02, f"end of training: {found.width:.2f}", fontsize=style.SMALL, color="#777777")
    savings.set_xscale("log")
    savings.set_xticks(WIDTHS, [f"{width:g}" for width in WIDTHS])
    savings.minorticks_off()
    savings.set_xlabel("width, standard deviations of the code", fontsize=style.SMALL)
    style.legend_above(figure, style.variant_handles(list(found.variants)))
    style.save(figure, path)


INSTRUMENT = Instrument(
    name="axes-over-widths",
    question="At which widths of a posterior does a pattern turn a code's axes, and how wide are posteriors in the end?",
    source="thesis 3.2.4 and 4.2.3, equations 3.18 to 3.24; Allen, eq. 10",
    takes=("config",),
    cost="seconds for the quickstart; 3 minutes for Shapes3D's ten patterns",
    answer=answer,
)
