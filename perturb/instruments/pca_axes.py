"""Do the principal axes of images follow the factors? PCA of all images of a dataset, and around single ones; no model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import JsonValue

from perturb.analysis.pca_axes import PrincipalAxes, explained_by_factors, neighbourhood, principal_axes, turned_at_random
from perturb.datasets import GroundTruth
from perturb.datasets.hdf5.reader import BenchmarkFile
from perturb.errors import UserError
from perturb.instruments.instrument import Answer, Instrument, Settings
from perturb.instruments.subject import Subjects
from perturb.manifests import run_file
from perturb.metrics import Coded, score
from perturb.random.seeds import child_seed, numpy_generator, some_of
from perturb.report import style
from perturb.report.section import Picture, Section
from perturb.report.table import TextTable, plain_table
from perturb.report.words import share, signed
from perturb.statistics.intervals import over_clusters
from perturb.statistics.scores import BASELINE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

IMAGES, CENTRES = 4_096, 16
"""Maximum number of images of the grid, and number of images whose neighbours are used."""
SHOWN, DRAWN = 10, 5
"""Number of components in the table, and of axes in the figure."""
MIG, MIG_SUP = "mig", "mig_sup"


@dataclass(frozen=True)
class Following:
    """The shares of principal components that factors explain, and the mean best share for randomly rotated axes."""

    explained: np.ndarray
    random: float

    @property
    def best(self) -> np.ndarray:
        """R² of the factor that explains each component best, (components,)."""
        return self.explained.max(axis=1)

    @property
    def different(self) -> int:
        """Number of different factors among the best ones."""
        return len(set(self.explained.argmax(axis=1).tolist()))


@dataclass(frozen=True, kw_only=True)
class Found:
    """Principal axes of one variant's images, over the whole grid and around single images."""

    axes: PrincipalAxes
    """Principal axes of the images of the whole grid."""
    all_explained: np.ndarray
    """R² between each of these axes and each factor, (axes, factors)."""
    globally: Following
    """Agreement of the first axes with the factors, for as many axes as there are factors."""
    scores: dict[str, float]
    """Scores by metric, MIG and MIG-sup, for the coordinates along these first axes as a code."""
    locally: tuple[Following, ...]
    """Agreement of the axes around each centre with the factors, for as many axes as there are factors that vary."""

    @property
    def local_means(self) -> np.ndarray:
        """Mean over components of the best R² around each centre, (centres,)."""
        return np.array([one.best.mean() for one in self.locally])


def answer(subjects: Subjects, settings: Settings) -> Answer:
    """Analyse the original images, and those of every finished variant."""
    truth = subjects.truth
    assert truth is not None
    ordered = [
        size for name, size in zip(truth.grid.names, truth.grid.sizes, strict=True) if name not in truth.grid.unordered
    ]
    if sum(size > 1 for size in ordered) < 2:
        raise UserError(f"{subjects.name}: pca-axes needs two ordered factors with more than one value, got {len(ordered)}.")
    readers: dict[str, Callable[[np.ndarray], np.ndarray]] = {BASELINE: truth.images}
    readers |= {variant: BenchmarkFile(run_file(runs[0], "*.h5")).images for variant, runs in subjects.files.items()}
    found = {variant: _found(truth, reader, settings) for variant, reader in readers.items()}
    path = settings.folder / "pca-axes.png"
    draw_axes(path, truth, found)
    original = found[BASELINE]
    caption = (
        f"Above, the first {DRAWN} principal axes of the original images (grey: no change), and how much of each component "
        "one factor explains. Below, that share for each component of the whole grid, and as a mean around each of "
        f"{CENTRES} images; bars: means, crosses: axes turned at random."
    )
    alt = (
        f"{DRAWN} images of axes over two dot plots with one row per variant; on the original one factor explains "
        f"{share(original.globally.best.mean())} of a component of the grid and {share(original.local_means.mean())} of one "
        "around an image."
    )
    section = Section(
        title="Principal axes",
        text=[_why()],
        figures=[Picture(path, caption, alt)],
        tables=[_variants_table(found, truth), _components_table(original, truth)],
    )
    return Answer(
        verdict=_verdict(found), section=section, numbers={name: _numbers(one, truth) for name, one in found.items()}
    )


def _found(truth: GroundTruth, reader: Callable[[np.ndarray], np.ndarray], settings: Settings) -> Found:
    """Compute the axes of one variant's images; the sampled images and centres are the same for every variant."""
    grid, rng = truth.grid, numpy_generator(settings.seed, "pca-axes")
    images = some_of(len(grid), IMAGES, rng)
    centres = rng.choice(len(grid), min(CENTRES, len(grid)), replace=False).tolist()
    pixels = _flat(reader(images))
    factors, count = grid.factors_of(images), grid.num_factors
    axes = principal_axes(pixels, min(max(SHOWN, count), min(pixels.shape) - 1), child_seed(settings.seed, "pca-axes"))
    code = axes.scores[:, :count]
    scored = score(Coded(code, factors), [MIG, MIG_SUP], seed=child_seed(settings.seed, "pca-axes"), threads=1)
    return Found(
        axes=axes,
        all_explained=explained_by_factors(axes.scores, factors),
        globally=_following(code, factors, settings),
        scores={name: scored[name][name] for name in (MIG, MIG_SUP)},
        locally=tuple(_around(truth, reader, centre, settings) for centre in centres),
    )


def _flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1).astype(np.float32) / np.float32(255)


def _around(truth: GroundTruth, reader: Callable[[np.ndarray], np.ndarray], centre: int, settings: Settings) -> Following:
    numbers = neighbourhood(truth.grid, centre)
    factors = truth.grid.factors_of(numbers)
    moved = int((np.ptp(factors, axis=0) > 0).sum())
    axes = principal_axes(_flat(reader(numbers)), moved, child_seed(settings.seed, "pca-axes", centre))
    return _following(axes.scores, factors, settings)


def _following(scores: np.ndarray, factors: np.ndarray, settings: Settings) -> Following:
    """Measure how closely components follow factors, and how closely randomly rotated axes do."""
    generators = [numpy_generator(settings.seed, "pca-axes", "turned", number) for number in range(settings.seeds)]
    turned = [explained_by_factors(turned_at_random(scores, rng), factors).max(axis=1).mean() for rng in generators]
    return Following(explained_by_factors(scores, factors), float(np.mean(turned)))


def _variants_table(found: Mapping[str, Found], truth: GroundTruth) -> TextTable:
    header = (
        "Variant", "grid: best R²", "turned at random", "factors", "MIG", "MIG-sup", "around: best R²", "turned there",
        "factors there",
    )  # fmt: skip
    lines = []
    for variant, one in found.items():
        width = over_clusters(one.local_means[None]).half_width
        lines.append(
            (
                variant,
                share(one.globally.best.mean()),
                share(one.globally.random),
                f"{one.globally.different} of {len(one.globally.best)}",
                f"{one.scores[MIG]:.2f}",
                f"{one.scores[MIG_SUP]:.2f}",
                share(one.local_means.mean()) + (f" ± {share(width)}" if width is not None else ""),
                share(float(np.mean([there.random for there in one.locally]))),
                f"{np.mean([there.different for there in one.locally]):.1f}",
            )
        )
    note = (
        f"The first {truth.grid.num_factors} components of {min(IMAGES, len(truth.grid)):,} images, and around {CENTRES} "
        "images as many components as there are factors that vary. Best R²: share of a component's variance that its best "
        "factor explains, mean over components (± half of the 95 % interval over the images); beside it, the same for axes "
        "turned at random. Factors: different ones among the best."
    )
    return plain_table("Principal components and factors", header, lines, note=note)


def _components_table(one: Found, truth: GroundTruth) -> TextTable:
    header = "Component", "variance", "with those before", "best factor", "R²", "next factor", "its R²"
    names, lines = [name.replace("_", " ") for name in truth.grid.names], []
    together = np.cumsum(one.axes.shares)
    for number, explained in enumerate(one.all_explained[:SHOWN]):
        first, second = np.argsort(-explained, kind="stable")[:2].tolist()
        shares = share(one.axes.shares[number], 1), share(together[number], 1)
        best = names[first], share(explained[first]), names[second], share(explained[second])
        lines.append((str(number + 1), *shares, *best))
    note = (
        "For all original images in the sample. The reconstruction error with the first components (Table 7 of Bhowal et "
        "al.) is 100% minus their share of the variance; likewise for other components."
    )
    return plain_table("The first principal components", header, lines, note=note)


def _numbers(one: Found, truth: GroundTruth) -> dict[str, JsonValue]:
    return {
        "factors": list(truth.grid.names),
        "variance_shares": one.axes.shares.tolist(),
        "explained": one.all_explained.tolist(),
        "random_best": one.globally.random,
        **one.scores,
        "local_explained": [there.explained.tolist() for there in one.locally],
        "local_random_best": [there.random for there in one.locally],
    }


def _why() -> str:
    return (
        "A VAE is said to disentangle because factors lie along the principal axes of the images, which its latents find. "
        "Whether they do can be tested without a model: by PCA of all images, and by PCA of the images around one, whose "
        "factors are at most one value away. Axes turned at random in the same space show how much one factor explains by "
        "chance."
    )


def _verdict(found: Mapping[str, Found]) -> str:
    """Word the verdict: the share that one factor explains on the original, and its change on each variant."""
    original = found[BASELINE]
    random = float(np.mean([there.random for there in original.locally]))
    whole = original.globally
    verdict = (
        f"One factor explains {share(whole.best.mean())} of a principal component of the original images "
        f"({share(whole.random)} in axes turned at random), and the first {len(whole.best)} components follow "
        f"{whole.different} different factors: MIG {original.scores[MIG]:.2f}. Around one image it explains "
        f"{share(original.local_means.mean())} ({share(random)})."
    )
    for variant, one in found.items():
        if variant != BASELINE:
            change = over_clusters((one.local_means - original.local_means)[None])
            width = f" ± {change.half_width:.2f}" if change.half_width is not None else ""
            verdict += (
                f" On {variant} images: {share(one.globally.best.mean())} for all and {share(one.local_means.mean())} "
                f"around one (change {signed(change.mean)}{width})."
            )
    return verdict


def draw_axes(path: Path, truth: GroundTruth, found: Mapping[str, Found]) -> None:
    """Draw the first axes as images, and below them dots for what one factor explains, one row per variant."""
    original = found[BASELINE]
    figure = style.new_figure(2.4 + 0.45 * len(found))
    grid = figure.add_gridspec(2, 1, height_ratios=(1.3, 1.1 + 0.45 * len(found)))
    above, below = (figure.add_subfigure(grid[row, 0]) for row in range(2))
    for number, axes in enumerate(above.subplots(1, DRAWN)):
        axes.set_axis_off()
        if number < len(original.axes.axes):
            axis, explained = original.axes.axes[number], original.all_explained[number]
            grey = 127.5 * (1 + axis / np.abs(axis).max())
            style.show_image(axes, np.round(grey).astype(np.uint8).reshape(truth.image_shape))
            name = truth.grid.names[int(explained.argmax())].replace("_", " ")
            axes.set_title(f"{name}\n{share(explained.max())}", fontsize=style.SMALL)
    panels = below.subplots(1, 2, sharey=True)
    for axes, title in zip(panels, ("all images", "around one image"), strict=True):
        axes.set_title(title, fontsize=style.SMALL)
        axes.set_xlim(0, 1.03)
        axes.set_yticks(range(len(found)), list(found))
        axes.set_xlabel("explained by one factor", fontsize=style.SMALL)
        style.plain(axes, grid="x")
    for row, (variant, one) in enumerate(found.items()):
        local = float(np.mean([there.random for there in one.locally]))
        for axes, values, random in zip(
            panels, (one.globally.best, one.local_means), (one.globally.random, local), strict=True
        ):
            _draw_row(axes, row, values, random, style.colour(variant))
    panels[0].invert_yaxis()
    style.save(figure, path)


def _draw_row(axes: "Axes", row: int, values: np.ndarray, random: float, colour: str) -> None:
    """Draw a row of dots, a bar at their mean, and a cross for randomly rotated axes."""
    axes.plot(values, row + style.jitter(len(values), width=0.3), "o", color=colour, alpha=0.5, markersize=4)
    axes.plot([np.mean(values)], [row], "|", color=colour, markersize=16, markeredgewidth=2)
    axes.plot([random], [row], "x", color=style.OTHER_COLOUR)


INSTRUMENT = Instrument(
    name="pca-axes",
    question="Does each principal axis of the images follow one factor, among all images and around one?",
    source="Bhowal et al. 2024, section 3.3, A.8.6, Table 7, Figure 5; thesis 4.2.1",
    takes=("dataset",),
    cost="half a minute",
    answer=answer,
)
