"""Latent traversals of the models that m_ψ was trained against (thesis Figures 4.10 and 4.11)."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from perturb.analysis.traversal import code_book, decoder_of, plane_of_factors, traverse_rows
from perturb.datasets.saved_images import open_images
from perturb.escapes import in_figure
from perturb.random.seeds import child_seed
from perturb.report import inputs, style
from perturb.report.findings import Findings
from perturb.report.section import Picture, Section
from perturb.statistics.saved_scores import ScoresResult
from perturb.training.saved_models import load_model

CODED = 2_000
"""Number of encoded images that determine a traversal's range and order."""
STEPS = 9
"""Number of steps along each latent of a traversal."""
GAP = 2
"""Number of white pixels between images."""


def sections(findings: Findings, out: Path, device: str) -> Iterator[Section]:
    """Yield Figures 4.10 and 4.11: latent traversals of the most and the least entangled restarts, if there are any."""
    chosen, grid = findings.selection, findings.grid
    if chosen is None or grid.num_factors < 2:
        return
    pair = _mixed_pair(findings, chosen.disentangled[0], chosen.entangled[0])
    pixels, planes, figures = open_images(findings.runs[inputs.IMAGES]), {}, []
    for side, indices in chosen.sides.items():
        for place, index in enumerate(indices):
            model = load_model(findings.runs[inputs.trained(index)], device)
            seed = child_seed(findings.config.seed, "traversal")
            book, decode = code_book(model, pixels, grid, images=CODED, seed=seed), decoder_of(model)
            planes[f"{side}, restart {index}"] = plane_of_factors(book, decode, pair, steps=STEPS).images
            if place == 0:
                rows, path = traverse_rows(book, decode, steps=STEPS), out / f"latents_{side}.png"
                draw_latents(path, rows.images, latent_labels(rows.variances), title=f"{side}, restart {index}")
                alt = (
                    f"Rows of {STEPS} decoded images as one latent of restart {index} grows from low to high, one row for "
                    f"each of {len(rows.variances)} latents, the smallest posterior variance first."
                )
                caption = f"Most {side}: one latent per row, by ascending posterior variance (eq. 4.8)."
                figures.append(Picture(path, caption, alt))
    names = [grid.names[k].replace("_", " ") for k in pair]
    draw_planes(out / "planes.png", planes, down=names[0], across=names[1])
    caption = (
        f"Two latents at once, those that hold most of {names[0]} and {names[1]}, the factors whose gaps differ most "
        "between the models (Figures 4.10 and 4.11)."
    )
    text = "The β-VAEs that m_ψ was trained against, on original images."
    alt = (
        f"A square of {STEPS} by {STEPS} decoded images for each model, {names[0]}'s latent down and {names[1]}'s across: "
        f"{', '.join(planes)}. Where one factor changes along an axis alone, the model keeps the two apart."
    )
    yield Section(title="Latent traversals", text=[text], figures=[Picture(out / "planes.png", caption, alt), *figures])


def _mixed_pair(findings: Findings, disentangled: int, entangled: int) -> tuple[int, int]:
    """Return the two factors whose gaps differ most between two restarts, in the grid's order.

    The factors with the smallest gaps would often be those that no code holds.
    """
    good, bad = _gaps(findings, disentangled), _gaps(findings, entangled)
    first, second = sorted(sorted(range(findings.grid.num_factors), key=lambda k: bad[k] - good[k])[:2])
    return first, second


def _gaps(findings: Findings, restart: int) -> list[float]:
    """Return the gap of each factor in a restart's code; 0 where it is unknown."""
    gaps = (findings.result(inputs.restart(restart), ScoresResult).details or {}).get("mig", {})
    return [gaps.get(f"mig_factor_{k}", 0.0) for k in range(findings.grid.num_factors)]


def draw_planes(path: Path, planes: Mapping[str, np.ndarray], *, down: str, across: str, columns: int = 2) -> None:
    """Draw each model's images over two latents, as tiles without ticks.

    Args:
        path: Path of the PNG.
        planes: Title → images, uint8 (rows, columns, height, width, channels).
        down: Name of what changes from row to row, for all models.
        across: Name of what changes from column to column.
        columns: Number of models per row.

    """
    columns = min(columns, len(planes))
    rows = -(-len(planes) // columns)
    size = style.WIDTH / columns
    figure = style.new_figure(rows * (size + 0.15) + 0.1)
    axes = figure.subplots(rows, columns, squeeze=False).flatten()
    for panel in axes[len(planes) :]:
        panel.set_axis_off()
    for number, (panel, (title, images)) in enumerate(zip(axes, planes.items(), strict=False)):
        style.show_image(panel, tiled(images))
        panel.set_title(title, fontsize=style.NORMAL)
        if number % columns == 0:
            panel.set_ylabel(in_figure(f"← {down}"), fontsize=style.SMALL)
        panel.set_xlabel(in_figure(f"{across} →"), fontsize=style.SMALL)
    style.save(figure, path)


def draw_latents(path: Path, images: np.ndarray, labels: Sequence[str], *, title: str = "") -> None:
    """Draw one row of images per latent, from the most to the least important.

    Args:
        path: Path of the PNG.
        images: Images, uint8 (latents, steps, height, width, channels).
        labels: Labels of the rows, from `latent_labels`.
        title: Title of the figure: the model.

    """
    latents, steps = images.shape[:2]
    figure = style.new_figure((style.WIDTH - 0.9) * latents / steps + 0.45)
    axes = figure.subplots()
    style.show_image(axes, tiled(images))
    height = images.shape[2] + GAP
    axes.set_yticks([height * row + images.shape[2] / 2 for row in range(latents)], labels, fontsize=style.SMALL)
    axes.tick_params(length=0)
    axes.set_title(title, fontsize=style.NORMAL)
    axes.set_xlabel("the row's latent, from low to high →", fontsize=style.SMALL)
    axes.set_ylabel("latent and its posterior variance" if labels[0].startswith("σ²") else "latent", fontsize=style.SMALL)
    style.save(figure, path)


def latent_labels(variances: Sequence[float]) -> list[str]:
    """Return labels such as `σ² 0.013`, or plain numbers for methods without a posterior, whose variances are tiny."""
    if max(variances) < 1e-6:
        return [str(number + 1) for number in range(len(variances))]
    return [f"σ² {variance:.2g}" for variance in variances]


def tiled(images: np.ndarray) -> np.ndarray:
    """Tile images (rows, columns, height, width, channels) into one, with white gaps."""
    rows, columns, height, width, channels = images.shape
    sheet = np.full((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, channels), 255, dtype=np.uint8)
    for row, column in np.ndindex(rows, columns):
        top, left = row * (height + GAP), column * (width + GAP)
        sheet[top : top + height, left : left + width] = images[row, column]
    return sheet
