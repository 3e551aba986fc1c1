"""Tables, figures and the page of an experiment, from its finished runs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from perturb.config import ExperimentConfig
from perturb.config.loading import config_hash
from perturb.datasets import grid_of
from perturb.evaluation.entry import metrics_of, write_entry
from perturb.evaluation.headline import headline, other_patterns, what_training_adds
from perturb.evaluation.page import render_page
from perturb.evaluation.sections import Section, as_markdown
from perturb.evaluation.tables import as_csv
from perturb.files import write_json, write_text
from perturb.pipeline.stages.entries import entries, file_name
from perturb.pipeline.stages.findings import Findings
from perturb.pipeline.stages.notes import notes, provenance
from perturb.pipeline.stages.sections import sections
from perturb.runs import MANIFEST, Workplace

CLAIMED = ("beta_vae", "factor_vae", "beta_tc_vae", "slow_vae")
SPARED = ("autoencoder", "pcl", "weakly_supervised_gan")
"""Kinds of methods whose scores fall on modified data, and whose do not, as the thesis has it (4.3.3)."""


TITLE = "Does it disentangle, or does it lean on the data?"
ENTRIES = "entries"
"""Folder of what a leaderboard reads."""


def build_report(place: Workplace) -> dict[str, Any]:
    """Inputs are those that `report_inputs` of the plan names."""
    config: ExperimentConfig = place.spec.config.experiment
    findings = Findings(config, grid_of(config.dataset), place.inputs)
    made_by, to_be_known = provenance(findings), notes(findings)
    answers = list(_answers(findings))
    shown = [
        *sections(findings, place.out, device=place.device),
        Section(title="To be known when reading this", points=to_be_known),
    ]
    on = "" if config.name == config.dataset.name else f" on {config.dataset.name}"
    asked = (
        f"Experiment {config.name}{on}: every image is nudged by at most ε, the factors stay as they "
        "are, and each method is trained afresh on each variant of the data."
    )
    page = render_page(name=config.name, title=TITLE, asked=asked, answers=answers, sections=shown, provenance=made_by)
    write_text(place.out / "report.html", page)
    markdown = [
        f"# {config.name}",
        "",
        *[line for sentence in answers for line in (sentence, "")],
        as_markdown(shown),
        "## Provenance",
        "",
    ]
    markdown += [f"- {key}: {value}" for key, value in made_by.items()]
    write_text(place.out / "table.md", "\n".join(markdown) + "\n")
    write_text(place.out / "table.csv", as_csv(findings.rows))
    for number, entry in enumerate(entries(findings)):
        write_entry(place.out / ENTRIES / file_name(number, entry.model), entry)
    answer_for_machines = {
        "dataset": config.dataset.name,
        "config_hash": config_hash(config),
        "metrics": {metric.name: metric.settings for metric in metrics_of(config.evaluation.metrics, config.metrics)},
        "answers": answers,
        "rows": [row.as_json() for row in findings.rows],
        "provenance": made_by,
        "notes": to_be_known,
    }
    write_json(place.out / "rows.json", answer_for_machines)
    return {"rows": len(findings.rows)}


def _answers(findings: Findings) -> Iterator[str]:
    """Of the methods that the claim is about, and of those that it spares; what other patterns take, what training adds."""
    config, metric = findings.config, findings.config.evaluation.metrics[0]
    kinds = {method.name: method.objective.kind for method in config.evaluation.methods}
    claimed = [name for name, kind in kinds.items() if kind in CLAIMED]
    spared = [name for name, kind in kinds.items() if kind in SPARED]
    for names in [group for group in (claimed, spared) if group] or [list(kinds)]:
        yield headline(findings.scores, metric, methods=names, **findings.bootstrap)
    for more in (other_patterns, what_training_adds):
        if sentence := more(findings.scores, metric, methods=claimed or list(kinds), **findings.bootstrap):
            yield sentence


def report_files(folder: Path) -> list[str]:
    """Names of a finished report's files, without its manifest and the rows for machines."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in found if name not in (MANIFEST, "rows.json"))
