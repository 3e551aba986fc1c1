"""Tables, figures and the page of an experiment, from its finished runs."""

from pathlib import Path
from typing import Any

import numpy as np

from perturb.config import ExperimentConfig
from perturb.config.loading import config_hash
from perturb.datasets import grid_of
from perturb.datasets.pixels import Pixels
from perturb.evaluation.figures import draw_images, draw_scores
from perturb.evaluation.page import answer, render_page
from perturb.evaluation.statistics import BASELINE, Score, summarise
from perturb.evaluation.tables import as_csv, as_markdown
from perturb.files import write_json, write_text
from perturb.metrics import METRICS
from perturb.runs import MANIFEST, Workplace, read_result, software_versions
from perturb.seeding import child_seed, numpy_generator

EXAMPLES = 4
"""Images in the picture of the perturbation."""


def build_report(place: Workplace) -> dict[str, Any]:
    """Inputs are those that `report_inputs` of the plan names."""
    config: ExperimentConfig = place.spec.config.experiment
    results = {name: read_result(run) for name, run in place.inputs.items()}
    scores = _scores(config, results)
    metrics = config.evaluation.metrics
    rows = summarise(
        scores, metrics, resamples=config.evaluation.bootstrap_samples, seed=child_seed(config.seed, "bootstrap")
    )
    notes = _notes(config, results, scores)
    provenance = _provenance(config, results)
    figures = _draw(place, config, scores, rows)
    write_text(place.out / "table.csv", as_csv(rows))
    markdown = [f"# {config.name}", "", *[s for m in metrics for s in answer(rows, m)], "", as_markdown(rows)]
    markdown += ["### To be known", "", *[f"- {note}" for note in notes], "", "### Provenance", ""]
    markdown += [f"- {key}: {value}" for key, value in provenance.items()]
    write_text(place.out / "table.md", "\n".join(markdown) + "\n")
    page = render_page(
        name=config.name,
        dataset=config.dataset.name,
        rows=rows,
        notes=notes,
        figures={caption: place.out / name for name, caption in figures.items()},
        provenance=provenance,
    )
    write_text(place.out / "report.html", page)
    answer_for_machines = {
        "dataset": config.dataset.name,
        "config_hash": config_hash(config),
        "rows": [row.as_json() for row in rows],
        "provenance": provenance,
        "notes": notes,
    }
    write_json(place.out / "rows.json", answer_for_machines)
    return {"rows": len(rows)}


def _scores(config: ExperimentConfig, results: dict[str, Any]) -> list[Score]:
    """Of every evaluation run, in the order of the tables."""
    limit = config.selection.max_unit_variance
    scores = []
    for method in config.evaluation.methods:
        for variant in config.evaluation.variants:
            for seed in range(config.evaluation.seeds):
                result = results[f"scores/{method.name}/{variant}/{seed}"]
                scores.append(
                    Score(
                        method=method.name,
                        variant=variant,
                        seed=seed,
                        values=result["scores"],
                        failure=result["failure"],
                        pruned_units=sum(variance >= limit for variance in result["unit_variances"]),
                    )
                )
    return scores


def _notes(config: ExperimentConfig, results: dict[str, Any], scores: list[Score]) -> list[str]:
    """What a reader of the numbers must not overlook."""
    selection, pattern = results["selection"], results["pattern/modified"]["pattern"]
    ranked = {int(index): score for index, score in selection["scores"].items() if score is not None}
    chosen = {
        side: ", ".join(f"restart {i} ({ranked[i]:.2f})" for i in selection[side]) for side in ("disentangled", "entangled")
    }
    title = METRICS[config.selection.metric].title
    notes = [
        f"{config.restarts.num} restarts had a {title} of {np.mean(list(ranked.values())):.2f} ± "
        f"{np.std(list(ranked.values()), ddof=1) if len(ranked) > 1 else 0:.2f}; m_ψ was trained against "
        f"{chosen['disentangled']} as disentangled and {chosen['entangled']} as entangled. None of their seeds is in the "
        f"tables.",
        f"The perturbation ({config.perturbation.form} form, ε = {config.perturbation.epsilon:g}) varies over the data with "
        f"{pattern['variation']:.0%} of its mean square; its variance is {pattern['variance']:.2f} ε², uniform noise has "
        f"0.33 ε².",
    ]
    if pattern["variation"] < config.collapse.min_variation:
        notes.append(
            "The pattern has COLLAPSED: it hardly depends on the factors, and the modified data do not test the claim."
        )
    notes += [f"Set aside at the selection: restart {i}, {reason}." for i, reason in selection["set_aside"].items()]
    notes += [
        f"Failed: {score.method} on {score.variant}, seed {score.seed}: {score.failure}."
        for score in scores
        if score.failure is not None
    ]
    for variant in config.evaluation.variants:
        found = results[f"file/{variant}"]
        if variant == BASELINE:
            continue
        notes.append(
            f"{variant}.h5: no pixel moved by more than {found['largest_change']} of 255 grey levels, "
            f"{found['changed_share']:.1%} of the pixels moved."
        )
    return notes


def _provenance(config: ExperimentConfig, results: dict[str, Any]) -> dict[str, str]:
    """What made the numbers: config, data, versions."""
    source = results["images"]["provenance"]
    found = {
        "config": config_hash(config),
        "dataset": f"{config.dataset.name}, {', '.join(f'{k} {v}' for k, v in source.items())}",
        "pixels (sha256)": results["images"]["sha256"],
    }
    found |= {f"{v}.h5 (sha256)": results[f"file/{v}"]["sha256"] for v in config.evaluation.variants}
    return found | software_versions()


def _draw(place: Workplace, config: ExperimentConfig, scores: list[Score], rows: list[Any]) -> dict[str, str]:
    """The figures; file name → caption."""
    grid = grid_of(config.dataset)
    numbers = np.sort(numpy_generator(config.seed, "examples").choice(grid.num_images, EXAMPLES, replace=False))
    shown = {
        variant: Pixels.open(place.inputs[f"pixels/{variant}"]).images(numbers) for variant in config.evaluation.variants
    }
    originals = shown.pop(BASELINE)
    captions = {}
    if shown:
        draw_images(place.out / "images.png", originals, shown, epsilon=config.perturbation.epsilon)
        captions["images.png"] = (
            f"Originals, and for each variant what was added (grey: nothing, black and white: ε = "
            f"{config.perturbation.epsilon:g}) and the image that results."
        )
    for metric in config.evaluation.metrics:
        draw_scores(place.out / f"{metric}.png", scores, rows, metric)
        captions[f"{metric}.png"] = (
            f"{METRICS[metric].title} of every run: a dot a seed, pairs joined, the mean as a bar."
        )  # fmt: skip
    return captions


def report_files(folder: Path) -> list[str]:
    """Names of a finished report's files, without its manifest and the rows for machines."""
    return sorted(p.name for p in folder.iterdir() if p.name not in (MANIFEST, "rows.json"))
