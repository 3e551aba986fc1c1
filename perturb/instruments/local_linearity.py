"""Is a decoder linear within a posterior's width? Bhowal et al.'s comparison of local approximations, on trained models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import JsonValue

from perturb.analysis.local_decoder import APPROXIMATIONS, approximated
from perturb.errors import UserError
from perturb.instruments.coder import Coder, check_differentiable, coder_of, external_model
from perturb.instruments.instrument import Answer, Instrument, Settings
from perturb.instruments.subject import Subjects
from perturb.random.seeds import numpy_generator, some_of, torch_generator
from perturb.report import style
from perturb.report.section import Picture, Section
from perturb.report.table import TextTable, plain_table
from perturb.report.words import share
from perturb.statistics.intervals import SIGNIFICANCE, Estimate, over_clusters

POINTS, TRAIN, TEST = 16, 128, 128
"""Number of images whose posteriors are used, and of noise draws for fitting and for evaluation at each."""


@dataclass(frozen=True)
class Shares:
    """The measures of `Approximated` for one model, by the approximation's name, each (points,)."""

    unexplained: dict[str, np.ndarray]
    predicted: dict[str, np.ndarray]

    @property
    def gain(self) -> Estimate:
        """Relative reduction of the best matrix's unexplained share by a tanh."""
        return over_clusters((1 - self.unexplained["tanh"] / self.unexplained["linear"])[None])

    @property
    def nearer(self) -> Estimate:
        """Error of the derivative's prediction of the stochastic loss, minus the error of the local non-linear decoder's."""
        return over_clusters((abs(self.predicted["jacobian"] - 1) - abs(self.predicted["tanh"] - 1))[None])


def answer(subjects: Subjects, settings: Settings) -> Answer:
    """Approximate the decoder around the posteriors of random images, and compare the errors on new noise."""
    if subjects.kind == "model":
        coder = external_model(subjects, settings).coder()
        check_differentiable(subjects.name, coder.decode, coder.posterior(np.arange(1))[0])
        found = {subjects.name: _shares(coder, settings)}
    else:
        chosen = [model for model in subjects.some(settings.seeds) if model.has_kl]
        found = {model.label: _shares(coder_of(model, settings.device), settings) for model in chosen}
    if not found:
        raise UserError(f"{subjects.name}: no finished training has both a decoder and a posterior with a width.")
    path = settings.folder / "local-linearity.png"
    draw_errors(path, {label: one.unexplained for label, one in found.items()})
    caption = "What each local approximation leaves unexplained; each dot is the posterior of one image."
    alt = "Dots near the left end, which is no error, in three rows per model, with bars at their means: {}.".format(
        ", ".join(
            f"{name} {np.mean([one.unexplained[name].mean() for one in found.values()]):.3f}" for name in APPROXIMATIONS
        )
    )
    section = Section(
        title="Local linearity",
        text=[_why()],
        figures=[Picture(path, caption, alt)],
        tables=[_unexplained_table(found), _predicted_table(found)],
    )
    return Answer(verdict=_verdict(found), section=section, numbers={label: _numbers(one) for label, one in found.items()})


def _shares(coder: Coder, settings: Settings) -> Shares:
    means, logvars = coder.posterior(some_of(coder.size, POINTS, numpy_generator(settings.seed, "local-linearity")))
    generator = torch_generator(settings.seed, "local-linearity")
    found = [
        approximated(coder.decode, mean, std, train=TRAIN, test=TEST, generator=generator)
        for mean, std in zip(means, torch.exp(logvars / 2), strict=True)
    ]
    return Shares(
        {name: np.array([one[name].unexplained for one in found]) for name in APPROXIMATIONS},
        {name: np.array([one[name].predicted for one in found]) for name in APPROXIMATIONS},
    )


def _unexplained_table(found: Mapping[str, Shares]) -> TextTable:
    lines = [
        (label, *(f"{one.unexplained[name].mean():.3f}" for name in APPROXIMATIONS), _with_interval(one.gain))
        for label, one in found.items()
    ]
    note = (
        f"Means over {POINTS} images, ± half of the 95 % interval over them; at each, {TRAIN} draws of noise are fitted and "
        f"{TEST} others evaluated. According to their code, the numbers of Bhowal et al. measure something else."
    )
    header = "Model", *APPROXIMATIONS, "smaller by the tanh"
    return plain_table("Share of the decoder's local change that is left unexplained", header, lines, note=note)


def _predicted_table(found: Mapping[str, Shares]) -> TextTable:
    lines = [
        (label, *(share(one.predicted[name].mean(), 1) for name in APPROXIMATIONS), _with_interval(one.nearer))
        for label, one in found.items()
    ]
    note = (
        "Table 2 of Bhowal et al.: E ‖f(ε)‖² over E ‖Dec(μ + ε) − Dec(μ)‖², 100% if exact, means over the same images, on "
        "new noise. The last column: how much nearer to 100% the tanh is than the derivative, mean over images ± half of "
        "the 95 % interval. Least squares makes a fit too small by about what it leaves unexplained."
    )
    header = "Model", *APPROXIMATIONS, "tanh nearer by"
    return plain_table("Predicted stochastic part of the reconstruction's loss", header, lines, note=note)


def _numbers(one: Shares) -> dict[str, JsonValue]:
    left = {name: values.tolist() for name, values in one.unexplained.items()}
    return left | {f"predicted_by_{name}": values.tolist() for name, values in one.predicted.items()}


def _why() -> str:
    return (
        "The theory takes a decoder to be linear where a posterior puts its codes. Each approximation is fitted to the same "
        "noise around the same posteriors: the derivative at the mean, the best matrix, and the best matrix followed by a "
        "tanh, as in Bhowal et al. 0 means that everything is explained, 1 nothing. The second table shows which of them "
        "predicts the size of the stochastic part of the reconstruction loss."
    )


def _with_interval(found: Estimate) -> str:
    width = found.half_width
    return share(found.mean, 1) + (f" ± {share(width, 1)}" if width is not None else "")


def _verdict(found: Mapping[str, Shares]) -> str:
    """Word the verdict: the linear share, the number of models that the non-linearity helps, and the better predictor."""
    linear = float(np.mean([one.unexplained["linear"].mean() for one in found.values()]))
    mean = {name: float(np.mean([one.predicted[name].mean() for one in found.values()])) for name in APPROXIMATIONS}
    smaller = float(np.mean([one.gain.mean for one in found.values()]))
    better, worse = _significant([one.gain for one in found.values()])
    nearer, farther = _significant([one.nearer for one in found.values()])
    return (
        f"The best matrix explains {share(1 - linear)} of what a posterior's noise does to the images. A tanh after it "
        f"makes the rest {share(smaller, 1)} smaller: significantly smaller in {better} of {len(found)} models, larger in "
        f"{worse}. Of the stochastic part of the reconstruction loss, the derivative predicts {share(mean['jacobian'])}, "
        f"the best matrix {share(mean['linear'])} and the tanh {share(mean['tanh'])}; the tanh is significantly nearer to "
        f"100% than the derivative in {nearer} models, farther in {farther}."
    )


def _significant(differences: Sequence[Estimate]) -> tuple[int, int]:
    """Count the differences that are significantly above 0, and those significantly below."""
    significant = [one.mean for one in differences if one.p is not None and one.p < SIGNIFICANCE]
    return sum(mean > 0 for mean in significant), sum(mean < 0 for mean in significant)


def draw_errors(path: Path, found: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Plot one row per model: a dot for each image and approximation, a bar for the mean."""
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
    source="Bhowal et al. 2024, equations 7, 8, 11 and 12, Tables 1 and 2",
    takes=("config", "run", "model"),
    cost="seconds per model",
    answer=answer,
)
