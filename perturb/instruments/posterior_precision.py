"""Does the encoder give each latent the precision that the decoder's curvature asks for, and is that curvature diagonal?"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import JsonValue

from perturb.analysis.posterior_precision import asked_precision, off_diagonal, turned_at_random
from perturb.config.objectives import BetaVAEConfig, FallingBetaVAEConfig, FullCovarianceVAEConfig, VAEConfig
from perturb.errors import UserError
from perturb.instruments.instrument import Answer, Instrument, Settings
from perturb.instruments.subject import Subjects, TrainedModel
from perturb.objectives.decode import single_decoder
from perturb.objectives.encode import encode, unit_variances
from perturb.random.seeds import numpy_generator, some_of, torch_generator
from perturb.report import style
from perturb.report.section import Picture, Section
from perturb.report.table import plain_table
from perturb.training.loop import ACTIVE

POINTS, DRAWS, ROTATIONS = 24, 8, 20
"""Number of images whose posteriors are used, of codes drawn from each, and of random rotations for the control."""


@dataclass(frozen=True)
class Precisions:
    """Precisions of one model's active latents."""

    asked: np.ndarray
    """Precision that the decoder's curvature asks for, (points, active)."""
    given: np.ndarray
    """Precision 1 / σ² that the encoder gives, (points, active)."""
    off_diagonal: float
    """Off-diagonal share of the curvature, averaged over points."""
    turned: float
    """Mean of `off_diagonal` after rotating the latents at random."""

    @property
    def correlation(self) -> float:
        """Correlation of the logarithms of both precisions."""
        return float(np.corrcoef(np.log(self.asked).ravel(), np.log(self.given).ravel())[0, 1])

    @property
    def ratio(self) -> float:
        """Median of given / asked."""
        return float(np.median(self.given / self.asked))


def answer(subjects: Subjects, settings: Settings) -> Answer:
    """Compare both precisions on random images, for every model whose optimal posterior is known."""
    chosen = [model for model in subjects.some(settings.seeds) if _beta(model) is not None]
    found = {model.label: one for model in chosen if (one := precisions(model, settings))}
    if not found:
        raise UserError(
            f"{subjects.name}: no finished training of a VAE or β-VAE, for which the optimal posterior is known, has two "
            "active latents."
        )
    path = settings.folder / "posterior-precision.png"
    draw_precisions(path, list(found.values()))
    lines = [
        (
            label,
            str(one.asked.shape[1]),
            f"{one.correlation:.2f}",
            f"{one.ratio:.2f}",
            f"{one.off_diagonal:.2f}",
            f"{one.turned:.2f}",
        )
        for label, one in found.items()
    ]
    note = (
        "Asked: I + (1/β) E[JᵀAJ], from the Jacobians of the logits and the Bernoulli variance. Off the diagonal: root mean "
        f"square of its scaled entries, 0 for orthogonal columns. {POINTS} images, {DRAWS} codes of each."
    )
    header = "Model", "active latents", "correlation", "given / asked", "off the diagonal", "in random axes"
    table = plain_table("Posterior precision, asked for and given", header, lines, note=note)
    caption = "The precision of each active latent: what the decoder's curvature asks for, and what the encoder gives."
    verdict = _verdict(list(found.values()))
    alt = f"A scatter plot on logarithmic axes, with a line where both precisions are equal. {verdict}"
    section = Section(title="Posterior precision", text=[_why()], figures=[Picture(path, caption, alt)], tables=[table])
    numbers: dict[str, JsonValue] = {
        label: {"correlation": one.correlation, "ratio": one.ratio, "off_diagonal": one.off_diagonal, "turned": one.turned}
        for label, one in found.items()
    }
    return Answer(verdict=verdict, section=section, numbers=numbers)


def _beta(model: TrainedModel) -> float | None:
    """Return the weight of the KL term at the end of a training; None for methods with a different optimal posterior."""
    objective = model.config.objective
    if isinstance(objective, BetaVAEConfig | FallingBetaVAEConfig | FullCovarianceVAEConfig):
        return objective.beta
    return 1.0 if isinstance(objective, VAEConfig) else None


def precisions(model: TrainedModel, settings: Settings) -> Precisions | None:
    """Measure the active latents' precision on random images, asked for and given; None with fewer than two of them."""
    objective, pixels, beta = model.objective(settings.device), model.pixels, _beta(model)
    assert beta is not None  # the caller has filtered out all other models
    generator = numpy_generator(settings.seed, "posterior-precision")
    images = some_of(len(pixels), POINTS, generator)
    means, logvars = encode(objective, pixels, images)
    active = torch.from_numpy(np.flatnonzero(unit_variances(logvars) < ACTIVE))
    if len(active) < 2:
        return None
    decoder, noise = single_decoder(objective), torch_generator(settings.seed, "posterior-precision")
    drawn = [
        mean + std * torch.randn(DRAWS, len(mean), generator=noise)
        for mean, std in zip(torch.from_numpy(means), torch.from_numpy(np.exp(logvars / 2)), strict=True)
    ]
    asked = torch.stack([asked_precision(decoder, codes.to(objective.device), beta).cpu() for codes in drawn])
    curved = asked[:, active][:, :, active] - torch.eye(len(active))
    turned = [off_diagonal(turned_at_random(curved, generator=noise)).mean() for _ in range(ROTATIONS)]
    return Precisions(
        asked=asked.diagonal(dim1=1, dim2=2)[:, active].numpy(),
        given=np.exp(-logvars[:, active.numpy()]),
        off_diagonal=float(off_diagonal(curved).mean()),
        turned=float(torch.stack(turned).mean()),
    )


def _why() -> str:
    return (
        "At the optimum of the ELBO, a Gaussian posterior is as precise as the decoder's curvature asks (Allen, eq. 8), but "
        "a diagonal posterior can only match the diagonal. It pays for the rest: that is the pressure towards orthogonal "
        "columns, and thus towards particular axes."
    )


def _verdict(found: Sequence[Precisions]) -> str:
    ratio, correlation = (float(np.median([getattr(one, name) for one in found])) for name in ("ratio", "correlation"))
    nearer = sum(one.off_diagonal < one.turned for one in found)
    return (
        f"The encoders give {ratio:.2f} times the precision that the decoders ask for (median; correlation of logarithms "
        f"{correlation:.2f}). In {nearer} of {len(found)} models the curvature is nearer to diagonal than in random axes."
    )


def draw_precisions(path: Path, found: Sequence[Precisions]) -> None:
    """Plot given over asked precision, one dot per latent and image, with the line where they are equal."""
    figure = style.new_figure(3.4)
    axes = figure.subplots()
    asked, given = (np.concatenate([getattr(one, name).ravel() for one in found]) for name in ("asked", "given"))
    ends = min(asked.min(), given.min()), max(asked.max(), given.max())
    axes.plot(ends, ends, color="#777777", linewidth=1, label="as asked")
    axes.loglog(asked, given, ".", color="#4477aa", alpha=0.35, markersize=4)
    axes.set_xlabel("asked for by the decoder's curvature", fontsize=style.SMALL)
    axes.set_ylabel("given by the encoder, 1 / σ²", fontsize=style.SMALL)
    axes.legend(fontsize=style.SMALL, frameon=False, loc="upper left")
    style.plain(axes, grid="both")
    style.save(figure, path)


INSTRUMENT = Instrument(
    name="posterior-precision",
    question="Does the encoder give the precision that the decoder's curvature asks for, and is that curvature diagonal?",
    source="Allen 2024, equations 6 to 9, Theorem 3",
    takes=("config", "run"),
    cost="seconds per model",
    answer=answer,
)
