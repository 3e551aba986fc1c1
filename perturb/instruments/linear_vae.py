"""A test of the thesis's Theorem 2: do linear VAEs end up on the principal axes, and linear autoencoders not?"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import JsonValue

from perturb.analysis.linear_training import trained_decoders, training_of
from perturb.analysis.linear_vae import Principal, angles, optimum, principal, subspace_angle
from perturb.analysis.sheets import Sheet, turned_by
from perturb.config.objectives import AutoencoderConfig, VAEConfig
from perturb.datasets.samples import Samples
from perturb.datasets.synthetic import gaussian
from perturb.instruments.instrument import Answer, Instrument, Settings
from perturb.instruments.subject import Subjects
from perturb.random.seeds import child_seed
from perturb.report import style
from perturb.report.section import Picture, Section
from perturb.report.table import Cell, TextTable
from perturb.statistics.intervals import Estimate, over_clusters

if TYPE_CHECKING:
    from mpl_toolkits.mplot3d import Axes3D

CLOUDS = {"variances apart": (4.0, 1.0, 0.04), "variances nearly equal": (1.1, 1.0, 0.04)}
"""Variances of Gaussian point clouds along their three axes; two latents leave out the third."""
APART, EQUAL = CLOUDS
MODELS = {"linear VAE": VAEConfig(), "linear AE": AutoencoderConfig()}
VAE, AE = MODELS
LATENTS, SAMPLES = 2, 10_000
VARIANCE = 0.25
"""Variance of the likelihood: below every variance that a latent should capture, so that all latents are used."""
OF_CHANCE = 22.5
"""Mean angle in degrees for two perpendicular axes that are rotated at random in their plane."""
SMOOTH, RIPPLED = Sheet(), Sheet(ripple=0.15, waves=16.0)
PRINCIPAL_COLOURS, FOUND_COLOUR, FAINT = ("#cc3311", "#0077bb"), "#222222", "#bbbbbb"


@dataclass(frozen=True)
class Ends:
    """The results of one model's trainings on one point cloud."""

    decoders: np.ndarray
    """Decoder matrices, (seeds, 3, latents)."""
    angles: np.ndarray
    """Angles between latents' axes and principal directions in degrees, (seeds, latents)."""
    spaces: np.ndarray
    """Angles between the latents' space and that of the leading components in degrees, (seeds,)."""

    @property
    def each(self) -> np.ndarray:
        """Mean angle of each seed, (seeds,)."""
        return self.angles.mean(axis=1)

    @property
    def estimate(self) -> Estimate:
        """Mean angle over the seeds, with its interval."""
        return over_clusters(self.each[None])


def answer(subjects: Subjects, settings: Settings) -> Answer:
    """Train both models on both point clouds, and compare their axes with the principal ones."""
    clouds = {name: gaussian(variances, settings.seed, SAMPLES) for name, variances in CLOUDS.items()}
    components = {name: principal(samples.values) for name, samples in clouds.items()}
    ends = {(cloud, model): _ends(clouds[cloud], components[cloud], model, settings) for cloud in CLOUDS for model in MODELS}
    path = settings.folder / "linear-vae.png"
    draw_panels(path, clouds[APART], components[APART], ends[APART, VAE].decoders)
    caption = (
        "The thesis's Figure 4.1, computed: (i) a cloud, the plane and directions of its principal components (red and "
        "blue) and the axes that linear VAEs found (dotted); (ii) a sheet and its local axes, the leading one red; (iii) "
        "the same with a ripple, and the axes of the metric averaged over its waves; (iv) the moves from (ii) to (iii)."
    )
    alt = "Four drawings in space: a flat cloud with two axes, a saddle, the saddle with ripples, and short vertical moves."
    section = Section(
        title="Linear VAEs and principal axes",
        text=_text(settings),
        figures=[Picture(path, caption, alt)],
        tables=[_table(ends)],
    )
    return Answer(verdict=_verdict(ends), section=section, numbers=_numbers(ends, components))


def _ends(samples: Samples, found: Principal, model: str, settings: Settings) -> Ends:
    seeds = [child_seed(settings.seed, "linear", number) for number in range(settings.seeds)]
    decoders = trained_decoders(
        samples, MODELS[model], training_of(VARIANCE), latents=LATENTS, seeds=seeds, device=settings.device
    )
    leading = found.directions[:, :LATENTS]
    apart = np.stack([angles(decoder, leading) for decoder in decoders])
    return Ends(decoders, apart, np.array([subspace_angle(decoder, leading) for decoder in decoders]))


def _text(settings: Settings) -> tuple[str, ...]:
    return (
        "Both models have one linear layer each way and the same squared error. The VAE's noise has its own variance for "
        "each latent and no correlations, so it is cheapest along the principal axes (thesis 4.2.1, Theorem 2; Lucas et al. "
        "2019). The autoencoder has no noise: it finds the plane, with arbitrary axes in it.",
        f"Clouds of {SAMPLES:,} Gaussian samples in space, turned at random; {settings.seeds} trainings of each model. "
        "If the variances are nearly equal, turning the axes costs next to nothing, and the VAE hardly has a preference "
        "either (thesis 3.3.4).",
    )


def _verdict(ends: dict[tuple[str, str], Ends]) -> str:
    vae, ae, degenerate = ends[APART, VAE], ends[APART, AE], ends[EQUAL, VAE]
    gain = over_clusters((ae.each - vae.each)[None])
    held = "as Theorem 2 says" if (gain.interval[0] or 0.0) > 0 else "which does not tell them apart"
    return (
        f"With {APART}, linear VAEs end {_degrees(vae.estimate)} off the principal axes and linear autoencoders "
        f"{_degrees(ae.estimate)}, {held}; with {EQUAL} linear VAEs end {_degrees(degenerate.estimate)} off."
    )


def _table(ends: dict[tuple[str, str], Ends]) -> TextTable:
    lines = [
        (
            f"{cloud}, {model}",
            (
                Cell(_degrees(found.estimate)),
                Cell(f"{found.angles.max():.1f}°"),
                Cell(f"{found.spaces.max():.1f}°"),
            ),
        )
        for (cloud, model), found in ends.items()
    ]
    note = (
        "Mean angle over latents, then over trainings, with its 95 % interval; the largest angle of any latent; the largest "
        f"between planes. Perpendicular axes turned at random in their plane are {OF_CHANCE:g}° off on average."
    )
    columns = "axes off by", "at most", "planes off by at most"
    return TextTable(
        title="Angles to the principal axes", corner="Cloud, model", columns=columns, lines=tuple(lines), note=note
    )


def _degrees(estimate: Estimate) -> str:
    """Format a mean and the half-width of its 95 % interval."""
    width = estimate.half_width
    return f"{estimate.mean:.1f}°" if width is None else f"{estimate.mean:.1f}° ± {width:.1f}°"


def _numbers(ends: dict[tuple[str, str], Ends], components: dict[str, Principal]) -> dict[str, JsonValue]:
    """Return the rotation of the sheet's axes, and for each cloud the variances, optimal axis lengths and results."""
    axes = [sheet.local_axes(_net(9)) for sheet in (SMOOTH, RIPPLED)]
    numbers: dict[str, JsonValue] = {"sheet": {"moved_by": RIPPLED.ripple, "axes_turned_by": float(turned_by(*axes).mean())}}
    for cloud, variances in CLOUDS.items():
        best = optimum(components[cloud], LATENTS, variance=VARIANCE)
        models: dict[str, JsonValue] = {model: _of_model(ends[cloud, model]) for model in MODELS}
        numbers[cloud] = {"variances": list(variances), "lengths": _lengths(best.decoder), "models": models}
    return numbers


def _of_model(found: Ends) -> dict[str, JsonValue]:
    return {
        "mean": found.estimate.mean,
        "interval": list(found.estimate.interval),
        "angles": found.angles.tolist(),
        "spaces": found.spaces.tolist(),
        "lengths": _lengths(found.decoders),
    }


def _lengths(decoders: np.ndarray) -> list:
    """Return the lengths of the columns of (..., 3, latents)."""
    return np.linalg.norm(decoders, axis=-2).tolist()


def draw_panels(path: Path, samples: Samples, found: Principal, decoders: np.ndarray) -> None:
    """Draw the four panels of the thesis's Figure 4.1.

    Args:
        path: Path of the PNG.
        samples: Point cloud of the first panel, vectors (n, 3).
        found: Its principal components.
        decoders: Decoders of linear VAEs trained on it, (seeds, 3, latents).

    """
    figure = style.new_figure(4.6)
    panels = figure.subplots(2, 2, subplot_kw={"projection": "3d"}).ravel()
    _draw_cloud(panels[0], samples.values[:400], found, decoders)
    _draw_sheet(panels[1], SMOOTH)
    _draw_sheet(panels[2], RIPPLED)
    _draw_moves(panels[3])
    for axes, number in zip(panels, ("(i)", "(ii)", "(iii)", "(iv)"), strict=True):
        axes.set_title(number, fontsize=style.NORMAL, loc="left")
        axes.set_axis_off()
        axes.set_box_aspect((1, 1, 0.6), zoom=1.15)
    style.save(figure, path)


def _draw_cloud(axes: "Axes3D", points: np.ndarray, found: Principal, decoders: np.ndarray) -> None:
    axes.scatter(*points.T, s=2, color=FAINT, linewidth=0)
    lengths = 2 * np.sqrt(found.variances[:LATENTS])
    leading = found.directions[:, :LATENTS] * lengths
    corners = np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]]) @ leading.T + found.mean
    axes.plot_trisurf(*corners.T, triangles=[[0, 1, 2], [0, 2, 3]], color="#88ccee", alpha=0.35, linewidth=0)
    _segments(axes, found.mean - leading.T, found.mean + leading.T, colors=PRINCIPAL_COLOURS, linewidths=1.8)
    columns = 2.6 * decoders.transpose(0, 2, 1).reshape(-1, points.shape[1])
    _segments(axes, found.mean - columns, found.mean + columns, colors=FOUND_COLOUR, linewidths=0.8, linestyles=":")


def _draw_sheet(axes: "Axes3D", sheet: Sheet) -> None:
    surface = sheet.embedded(_net(90)).reshape(90, 90, 3)
    axes.plot_surface(*np.moveaxis(surface, -1, 0), rcount=90, ccount=90, color="#88ccee", alpha=0.35, linewidth=0)
    points = 0.75 * _net(4)
    places, directions = sheet.embedded(points), 0.18 * sheet.local_directions(points)
    for axis, colour in enumerate(PRINCIPAL_COLOURS):
        _segments(axes, places - directions[..., axis], places + directions[..., axis], colors=colour, linewidths=1.4)


def _draw_moves(axes: "Axes3D") -> None:
    points = _net(14)
    before, after = SMOOTH.embedded(points), RIPPLED.embedded(points)
    _segments(axes, before, after, colors=FOUND_COLOUR, linewidths=0.6)
    axes.scatter(*before.T, s=2, color=FAINT, linewidth=0)
    axes.scatter(*after.T, s=3, color=PRINCIPAL_COLOURS[0], linewidth=0)


def _segments(axes: "Axes3D", starts: np.ndarray, ends: np.ndarray, **look: Any) -> None:  # noqa: ANN401
    """Draw straight lines between points (n, 3)."""
    from mpl_toolkits.mplot3d.art3d import Line3DCollection

    axes.add_collection3d(Line3DCollection(np.stack([starts, ends], axis=1), **look))


def _net(side: int) -> np.ndarray:
    """Return a grid of points in the square, (side², 2)."""
    steps: Sequence[np.ndarray] = np.meshgrid(*[np.linspace(-1, 1, side)] * 2)
    return np.stack(steps, axis=-1).reshape(-1, 2)


INSTRUMENT = Instrument(
    name="linear-vae",
    question="Do linear VAEs end on the principal axes, and linear autoencoders only in their space?",
    source="thesis 4.2.1, equations 4.1 to 4.5, Theorem 2, Figure 4.1; Lucas et al. 2019",
    takes=("nothing",),
    cost="a minute",
    answer=answer,
)
