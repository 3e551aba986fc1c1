"""Is a decoder linear within a posterior's width? Bhowal et al.'s comparison of local approximations, on trained models."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from pydantic import JsonValue

from perturb.analysis.local_decoder import APPROXIMATIONS, unexplained
from perturb.errors import UserError
from perturb.instruments.instrument import Answer, Instrument, Settings
from perturb.instruments.subject import Subjects, TrainedModel, some_images
from perturb.objectives.decode import single_decoder
from perturb.objectives.encode import encode
from perturb.random.seeds import numpy_generator, torch_generator
from perturb.report import style
from perturb.report.section import Picture, Section
from perturb.report.table import plain_table
from perturb.report.words import share
from perturb.statistics.intervals import SIGNIFICANCE, Estimate, over_clusters

POINTS, TRAIN, TEST = 16, 128, 128
"""Images whose posteriors are looked at, and draws of noise that are fitted and judged at each."""


def answer(subjects: Subjects, settings: Settings) -> Answer:
    """Approximate the decoder around posteriors of random images, and compare the errors on new noise."""
    found = {model.label: _errors(model, settings) for model in subjects.some(settings.seeds) if model.has_kl}
    if not found:
        raise UserError(f"{subjects.name}: no finished training has both a decoder and a posterior with a width.")
    gains = {label: over_clusters((1 - errors["tanh"] / errors["linear"])[None]) for label, errors in found.items()}
    path = settings.folder / "local-linearity.png"
    draw_errors(path, found)
    lines = [
        (label, *(f"{errors[name].mean():.3f}" for name in APPROXIMATIONS), _gain(gains[label]))
        for label, errors in found.items()
    ]
    note = (
        f"Means over {POINTS} images, ± half of the 95 % interval over them; {TRAIN} draws of noise are fitted at each and "
        f"{TEST} others judged. The numbers of Bhowal et al. measure something else, as their code has it."
    )
    header = "Model", *APPROXIMATIONS, "smaller by the tanh"
    table = plain_table("Share of the decoder's local change that is left unexplained", header, lines, note=note)
    caption = "What each local approximation leaves unexplained, a dot an image's posterior."
    alt = "Dots near the left end, which is no error, in rows of three a model, with bars at their means: {}.".format(
        ", ".join(f"{name} {np.mean([errors[name].mean() for errors in found.values()]):.3f}" for name in APPROXIMATIONS)
    )
    section = Section(title="Local linearity", text=[_why()], figures=[Picture(path, caption, alt)], tables=[table])
    numbers: dict[str, JsonValue] = {
        label: {name: errors[name].tolist() for name in APPROXIMATIONS} for label, errors in found.items()
    }
    return Answer(verdict=_verdict(gains, found), section=section, numbers=numbers)


def _errors(model: TrainedModel, settings: Settings) -> dict[str, np.ndarray]:
    """Approximation → errors (points,) of one model."""
    objective, pixels = model.objective(settings.device), model.pixels
    images = some_images(pixels, POINTS, numpy_generator(settings.seed, "local-linearity"))
    means, logvars = (torch.from_numpy(values) for values in encode(objective, pixels, images))
    decoder, generator = single_decoder(objective, images=True), torch_generator(settings.seed, "local-linearity")
    found = [
        unexplained(decoder, mean, std, train=TRAIN, test=TEST, generator=generator)
        for mean, std in zip(means, torch.exp(logvars / 2), strict=True)
    ]
    return {name: np.array([errors[name] for errors in found]) for name in APPROXIMATIONS}


def _why() -> str:
    return (
        "The theory takes a decoder to be linear where a posterior puts its codes. Each approximation is fitted to the same "
        "noise around the same posteriors: the derivative at the mean, the best matrix, and the best one behind a tanh, as "
        "Bhowal et al. have it. 0 explains everything, 1 nothing."
    )


def _gain(gain: Estimate) -> str:
    width = gain.half_width
    return share(gain.mean, 1) + (f" ± {share(width, 1)}" if width is not None else "")


def _verdict(gains: Mapping[str, Estimate], found: Mapping[str, Mapping[str, np.ndarray]]) -> str:
    """How much is linear, and whether the non-linearity helps, in how many models."""
    linear = float(np.mean([errors["linear"].mean() for errors in found.values()]))
    smaller = float(np.mean([gain.mean for gain in gains.values()]))
    surely = [gain for gain in gains.values() if gain.p is not None and gain.p < SIGNIFICANCE]
    better = sum(gain.mean > 0 for gain in surely)
    return (
        f"The best matrix explains {share(1 - linear)} of what a posterior's noise does to the images. A tanh behind it "
        f"makes the rest {share(smaller, 1)} smaller: significantly smaller in {better} of {len(gains)} models, larger in "
        f"{len(surely) - better}."
    )


def draw_errors(path: Path, found: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Draw a row a model: a dot for each image and approximation, a bar for the mean."""
    colours = ("#777777", "#4477aa", "#ee6677")
    figure = style.new_figure(0.8 + 0.5 * len(found))
    axes = figure.subplots()
    for row, errors in enumerate(found.values()):
        for place, (name, colour) in enumerate(zip(APPROXIMATIONS, colours, strict=True)):
            height = row + (place - 1) * 0.26
            values = errors[name]
            axes.plot(values, height + style.jitter(len(values), width=0.16), ".", color=colour, alpha=0.4, markersize=4)
            axes.plot(
                [values.mean()],
                [height],
                "|",
                color=colour,
                markersize=12,
                markeredgewidth=2,
                label=name if row == 0 else None,
            )
    axes.set_yticks(range(len(found)), list(found))
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel("share of the local change left unexplained", fontsize=style.SMALL)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=3, fontsize=style.SMALL, frameon=False)
    style.plain(axes, grid="x")
    style.save(figure, path)


INSTRUMENT = Instrument(
    name="local-linearity",
    question="Is a decoder linear within a posterior's width, and does a non-linearity behind the matrix help?",
    source="Bhowal et al. 2024, equations 8, 11 and 12, Table 1",
    takes=("config", "run"),
    cost="seconds a model",
    answer=answer,
)
