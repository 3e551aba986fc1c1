"""The report's sections, from the findings of an experiment; each draws its figures into the report's folder."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from perturb.analysis.readout import FactorReadout
from perturb.analysis.traversal import code_book, decoder_of, plane_of_factors, traverse_rows
from perturb.datasets import open_ground_truth
from perturb.datasets.pixels import Pixels
from perturb.metrics import METRICS
from perturb.perturbation.saved_networks import load_network
from perturb.perturbation.scalar import main_curves
from perturb.random.seeds import child_seed, numpy_generator
from perturb.report.analysis_tables import (
    global_table,
    informativeness_table,
    local_table,
    readout_table,
    scalar_table,
)
from perturb.report.comparisons import comparisons_of
from perturb.report.curves import final_losses
from perturb.report.ensembles import ensembles
from perturb.report.figures import draw_images, draw_scores
from perturb.report.figures_curves import draw_curves
from perturb.report.figures_distribution import draw_by_factor, draw_histogram
from perturb.report.figures_forest import draw_forest
from perturb.report.figures_scalar import draw_scalars
from perturb.report.figures_search import draw_search
from perturb.report.figures_traversals import draw_latents, draw_planes, latent_labels
from perturb.report.findings import Findings
from perturb.report.page import answer
from perturb.report.predicted import predicted
from perturb.report.search import search_table
from perturb.report.section import Picture, Section
from perturb.report.tables import comparison_table, contrast_table, difference_table, score_tables
from perturb.report.thesis import FIGURES, thesis_beside
from perturb.statistics.scores import BASELINE
from perturb.training.saved_models import load_model

EXAMPLES = 4
"""Images in the picture of the perturbation."""
CODED = 2_000
"""Images behind a traversal."""
MOST_PANELS = 4
"""Methods whose runs are drawn one by one."""
STEPS = 9
"""Along each latent of a traversal."""


def sections(findings: Findings, out: Path, *, device: str) -> Iterator[Section]:
    """The sections in the order of the page; what an experiment has not asked for is left out."""
    yield contrasts(findings)
    yield scores(findings)
    yield from perturbation(findings, out)
    yield from scalars(findings, out)
    yield differences(findings, out)
    yield from predicted(findings, out)
    if findings.search:
        yield search(findings, out)
    if findings.config.readout:
        yield still_there(findings)
    yield from distribution(findings, out)
    yield from traversals(findings, out, device=device)
    yield from ensembles(findings, device=device)
    yield trainings(findings, out)
    sentences = [sentence for metric in findings.config.evaluation.metrics for sentence in answer(findings.rows, metric)]
    yield Section(title="Method by method", points=sentences)


def contrasts(findings: Findings) -> Section:
    """Return the section with the primary contrasts, which also says how changes are told from chance."""
    primary, others = findings.primary, len(findings.family)
    text = []
    if primary:
        text.append(
            "What the experiment is about: each contrast is judged by itself at the 5 % level, by its own 95 % interval."
        )
    text.append(
        f"{'All other' if primary else 'All'} comparisons of this report, {others} of them, form one family: every variant "
        "against the original by method, average and metric, and the comparisons between variants. A change may be chance "
        "unless its p-value, adjusted for the family by Holm's method, is below 0.05. The 95 % intervals are the plain "
        "ones, not adjusted, so one may exclude 0 all the same."
    )
    text.append("Changes are first − second, paired by seed; intervals and two-sided p-values are Student's t.")
    tables = [contrast_table(primary)] if primary else []
    return Section(title="Primary contrasts" if primary else "How changes are judged", text=text, tables=tables)


def scores(findings: Findings) -> Section:
    """Tables 4.2 to 4.5, with the thesis's own numbers."""
    config = findings.config
    kinds = {method.name: method.objective.kind for method in config.evaluation.methods}
    thesis = thesis_beside(config.dataset.name, kinds)
    text = (
        "Mean ± standard deviation over fresh trainings; below it variant − original, paired by seed, with its 95 % "
        "interval, and the share of the original's mean that is kept."
    )
    if thesis:
        text += " Beside ours, where there is one, the number of the thesis that the paper is part of (Tables 4.2 to 4.5)."
    tables = score_tables(findings.rows, thesis=thesis, compared=True)
    if found := findings.informativeness:
        tables.append(informativeness_table(found))
    return Section(title="Scores", text=[text], tables=tuple(tables))


def perturbation(findings: Findings, out: Path) -> Iterator[Section]:
    """Yield the section with pictures of the originals and of every variant."""
    config = findings.config
    numbers = np.sort(numpy_generator(config.seed, "examples").choice(findings.grid.num_images, EXAMPLES, replace=False))
    shown = {
        variant: Pixels.open(findings.runs[f"pixels/{variant}"]).images(numbers) for variant in config.evaluation.variants
    }
    originals, path = shown.pop(BASELINE), out / "images.png"
    if not shown:
        return
    draw_images(path, originals, shown, epsilon=config.largest_epsilon)
    caption = (
        f"Originals, and for each variant what was added (grey: nothing, black and white: ε = "
        f"{config.largest_epsilon:g}) and the image that results."
    )
    yield Section(title="The images", figures=[Picture(path, caption)])


def scalars(findings: Findings, out: Path) -> Iterator[Section]:
    """Yield the section on the factors that each pattern's scalar follows, and on the pattern's strength."""
    drawn = dict.fromkeys(("modified", *findings.config.evaluation.variants))
    networks = {variant: found for variant in drawn if (found := findings.networks(variant))}
    text = (
        "Each pattern is drawn along one scalar function of the factors. Only a scalar of several factors can make another "
        "set of directions cheaper to encode: one of a single factor moves images along that factor's own axis."
    )
    truth, path = open_ground_truth(findings.config.dataset), out / "scalar.png"
    runs = {variant: findings.runs[f"pattern/{variant}"] for variant in ("modified", "untrained") if variant in networks}
    curves = {variant: main_curves(load_network(run, truth), truth.grid) for variant, run in runs.items()}
    variances = {v: found for v, found in findings.variances.items() if v in curves}
    draw_scalars(path, curves, truth.grid.names, variances)
    also = ", and what the patterns do to the factors' local variances" if variances else ""
    caption = f"The scalar of the first pattern of each kind{also}."
    tables = [scalar_table(networks, findings.grid.names)]
    yield Section(title="What the scalar follows", text=[text], figures=[Picture(path, caption)], tables=tables)


def differences(findings: Findings, out: Path) -> Section:
    """Return the section with the difference of each score to the original, and of the variants to each other."""
    config, figures = findings.config, []
    for metric in config.evaluation.metrics:
        title = METRICS[metric].title
        if len(config.evaluation.methods) <= MOST_PANELS:
            draw_scores(out / f"{metric}.png", findings.scores, findings.rows, metric)
            caption = f"{title} of every run: a dot a seed, pairs joined, the mean as a bar."
            figures.append(Picture(out / f"{metric}.png", caption))
        if len(config.evaluation.variants) > 1:
            draw_forest(out / f"{metric}_differences.png", findings.rows, metric)
            caption = f"{title}: variant − original with its 95 % interval, paired by seed."
            figures.append(Picture(out / f"{metric}_differences.png", caption))
    told, tables = comparisons_of(config), []
    for pair, found in groupby(findings.comparisons, lambda comparison: (comparison.first, comparison.second)):
        tables.append(replace(comparison_table(list(found)), note=told[pair]))
    return Section(title="Differences", figures=figures, tables=[*tables, difference_table(findings.rows)])


def search(findings: Findings, out: Path) -> Section:
    """Would another value of the hyper-parameter have saved the score?"""
    wanted = findings.config.search
    levels = {
        row.method: row.mean
        for row in findings.rows
        if (row.metric, row.variant) == (wanted.metric, BASELINE) and row.mean is not None
    }
    draw_search(out / "search.png", findings.search, wanted.metric, levels=levels)
    text = (
        "Each method's primary hyper-parameter, multiplied. Runs with fewer active units than factors are marked; the "
        "thesis leaves them out, here they are shown and counted."
    )
    alike = f" (as the thesis's Figure {FIGURES[wanted.metric]})" if wanted.metric in FIGURES else ""
    caption = f"{METRICS[wanted.metric].title} over the line search{alike}."
    return Section(
        title="Line search",
        text=[text],
        tables=[search_table(findings.search, wanted.metric)],
        figures=[Picture(out / "search.png", caption)],
    )


def still_there(findings: Findings) -> Section:
    """Supervised networks read the factors all the same; where the variance went."""
    variants = findings.config.evaluation.variants
    readouts = {variant: _averaged(findings.readouts(variant)) for variant in variants}
    variances = findings.variances
    count = findings.config.readout.seeds
    text = (
        f"The factors are still in the images: {count} small supervised network{'s' if count > 1 else ''} a variant, asked "
        f"about combinations of factors that they never saw. Mean accuracies.",
        "Global variance is what a factor moves over the whole grid, local variance what one step of it moves.",
    )
    tables = (readout_table(readouts), *((global_table(variances), local_table(variances)) if variances else ()))
    return Section(title="The factors are still there", text=text, tables=tables)


def _averaged(readouts: list[list[dict[str, Any]]]) -> list[FactorReadout]:
    """Mean accuracy and chance over networks."""
    return [
        FactorReadout(**found[0] | {key: float(np.mean([one[key] for one in found])) for key in ("accuracy", "chance")})
        for found in zip(*readouts, strict=True)
    ]


def distribution(findings: Findings, out: Path) -> Iterator[Section]:
    """Figures 4.8 and 4.9: every run's MIG, and factor by factor for the first β-VAE that has runs."""
    config = findings.config
    if "mig" not in config.evaluation.metrics or len(config.evaluation.variants) == 1:
        return
    figures = []
    if "modified" in config.evaluation.variants:
        draw_histogram(out / "histogram.png", findings.scores, "mig")
        figures.append(
            Picture(out / "histogram.png", "MIG of all runs on the original and on modified images (Figure 4.8).")
        )
    for method in config.evaluation.methods:
        gaps = findings.gaps(method) if method.objective.kind == "beta_vae" else {}
        if gaps:
            path = out / "mig_by_factor.png"
            draw_by_factor(path, gaps, findings.grid.names, title=method.name)
            figures.append(Picture(path, f"{method.name}: MIG factor by factor (Figure 4.9)."))
            break
    if figures:
        yield Section(title="Run by run, factor by factor", figures=figures)


def traversals(findings: Findings, out: Path, *, device: str) -> Iterator[Section]:
    """Figures 4.10 and 4.11: what the latents of the most and the least entangled restarts draw."""
    chosen, grid = findings.results["selection"], findings.grid
    if grid.num_factors < 2:
        return
    pair = _mixed_pair(findings, chosen["entangled"][0])
    pixels, planes, figures = Pixels.open(findings.runs["images"]), {}, []
    for side, indices in (("disentangled", chosen["disentangled"]), ("entangled", chosen["entangled"])):
        for place, index in enumerate(indices):
            model = load_model(findings.runs[f"trained/{index}"], device)
            seed = child_seed(findings.config.seed, "traversal")
            book, decode = code_book(model, pixels, grid, images=CODED, seed=seed), decoder_of(model)
            planes[f"{side}, restart {index}"] = plane_of_factors(book, decode, pair, steps=STEPS).images
            if place == 0:
                rows, path = traverse_rows(book, decode, steps=STEPS), out / f"latents_{side}.png"
                draw_latents(path, rows.images, latent_labels(rows.variances), title=f"{side}, restart {index}")
                figures.append(Picture(path, f"Most {side}: one latent a row, by ascending posterior variance (eq. 4.8)."))
    names = [grid.names[k].replace("_", " ") for k in pair]
    draw_planes(out / "planes.png", planes, down=names[0], across=names[1])
    caption = f"Two latents at once, those that hold most of {names[0]} and {names[1]} (Figures 4.10 and 4.11)."
    text = "The β-VAEs that m_ψ was trained against, on original images."
    yield Section(title="Latent traversals", text=[text], figures=[Picture(out / "planes.png", caption), *figures])


def trainings(findings: Findings, out: Path) -> Section:
    """Return the section that shows the training curves and the final losses."""
    path = out / "curves.png"
    draw_curves(path, findings.curves)
    caption = (
        "Losses of single batches over the steps: means over trainings, bands from the lowest to the highest; failed "
        "trainings dotted. The first tenth may lie outside."
    )
    tables = [final_losses(findings.curves)]
    return Section(title="Training curves", figures=[Picture(path, caption)], tables=tables)


def _mixed_pair(findings: Findings, restart: int) -> tuple[int, int]:
    """The two factors that a restart separates least, in the grid's order."""
    details = findings.results[f"restart/{restart}"]["details"]
    gaps = details.get("mig", {})
    ranked = sorted(range(findings.grid.num_factors), key=lambda k: gaps.get(f"mig_factor_{k}", k))
    first, second = sorted(ranked[:2])
    return first, second
