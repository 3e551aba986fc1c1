"""Build the tables, figures and page of an experiment from its finished runs."""

from collections.abc import Iterator
from pathlib import Path

from perturb.config import ExperimentConfig
from perturb.config import Section as ConfigSection
from perturb.config.loading import config_hash
from perturb.datasets import grid_of
from perturb.entries.entry import metrics_of, write_entry
from perturb.escapes import in_markdown
from perturb.files import write_json, write_text
from perturb.manifests import run_files
from perturb.report.caveats import notes, provenance
from perturb.report.entries import entries, file_name
from perturb.report.findings import Findings
from perturb.report.page import render_page
from perturb.report.section import Section, as_markdown
from perturb.report.sections import sections_of
from perturb.report.sentences import MAIN, contrast, further, headline
from perturb.report.tables import as_csv
from perturb.runs import StageContext
from perturb.statistics.family import identity
from perturb.statistics.scores import BASELINE

TITLE = "Does it disentangle, or does it lean on the data?"
PAGE = "report.html"
"""File name of the page. Its foot line is filled in when the page is copied elsewhere."""
ROWS = "rows.json"
"""Name of the report's machine-readable file."""
ENTRIES = "entries"
"""Folder of the entries that a leaderboard reads."""


class ReportRun(ConfigSection):
    """The run that builds tables, figures and the page."""

    experiment: ExperimentConfig


def build_report(context: StageContext[ReportRun]) -> dict[str, int]:
    """Build the report. The inputs are those that `report_inputs` of the plan names."""
    config = context.spec.config.experiment
    findings = Findings(config, grid_of(config.dataset), context.inputs)
    made_by, to_be_known = provenance(findings), notes(findings)
    answers = list(_answers(findings))
    shown = [
        *sections_of(findings, context.out, context.device),
        Section(title="Caveats", points=to_be_known),
    ]
    on = "" if config.name == config.dataset.name else f" on {config.dataset.name}"
    asked = (
        f"Experiment {config.name}{on}: every image is nudged by at most ε, the factors stay as they "
        "are, and each method is trained afresh on each variant of the data."
    )
    page = render_page(name=config.name, title=TITLE, asked=asked, answers=answers, sections=shown, provenance=made_by)
    write_text(context.out / PAGE, page)
    markdown = [
        f"# {in_markdown(config.name)}",
        "",
        *[line for sentence in answers for line in (in_markdown(sentence), "")],
        as_markdown(shown),
        "## Provenance",
        "",
    ]
    markdown += [f"- {in_markdown(f'{key}: {value}')}" for key, value in made_by.items()]
    write_text(context.out / "table.md", "\n".join(markdown) + "\n")
    write_text(context.out / "table.csv", as_csv(findings.rows))
    for number, entry in enumerate(entries(findings)):
        write_entry(context.out / ENTRIES / file_name(number, entry.model), entry)
    answer_for_machines = {
        "dataset": config.dataset.name,
        "epsilon": config.perturbation.epsilon,
        "share": findings.share,
        "config_hash": config_hash(config),
        "metrics": {metric.name: metric.settings for metric in metrics_of(config.evaluation.metrics, config.metrics)},
        "answers": answers,
        "contrasts": [contrast.as_json() for contrast in findings.primary],
        "comparisons": [comparison.as_json() for comparison in findings.comparisons],
        "rows": [row.as_json() for row in findings.rows],
        "provenance": made_by,
        "notes": to_be_known,
    }
    write_json(context.out / ROWS, answer_for_machines)
    return {"rows": len(findings.rows)}


def _answers(findings: Findings) -> Iterator[str]:
    """Yield a sentence for each group of methods, one on other patterns for the first group, and one for each contrast."""
    metric, averages = findings.config.evaluation.metrics[0], findings.averages
    for names in findings.groups:
        changes = [a for a in averages if a.methods == names and a.second == BASELINE and a.first in MAIN]
        yield headline(findings.scores, metric, methods=names, changes=changes)
    others = [a for a in averages if a.methods == findings.groups[0] and a.second == BASELINE and a.first not in MAIN]
    told = {identity(average) for average in averages}
    contrasts = [a for a in averages if a.second != BASELINE] + [c for c in findings.primary if identity(c) not in told]
    for sentence in (further(others), *map(contrast, contrasts)):
        if sentence:
            yield sentence


def report_files(folder: Path) -> list[str]:
    """Return the names of a finished report's files, without the machine-readable rows; errors as for `run_files`."""
    return [name for name in run_files(folder) if name != ROWS]
