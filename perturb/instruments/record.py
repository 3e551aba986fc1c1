"""Run an analysis and record it: numbers for programs, a page for readers."""

import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from perturb.entries.packaged import BENCHMARKS
from perturb.files import write_json, write_text
from perturb.instruments import INSTRUMENTS
from perturb.instruments.instrument import Answer, Settings
from perturb.instruments.subject import subjects_of
from perturb.machine import software_versions
from perturb.report.page import render_page


def analysed(
    name: str,
    subject: str | None,
    *,
    folder: Path,
    artifacts: Path,
    seeds: int,
    seed: int,
    device: str,
    benchmark: str = BENCHMARKS[0],
    changes: Sequence[str] = (),
) -> tuple[Answer, dict[str, Any]]:
    """Run an instrument, and write its results to NAME.json.

    Args:
        name: Name of the instrument.
        subject: The subject as the user typed it; see `subjects_of`.
        folder: Folder for the record and its figures, created if missing.
        artifacts: Folder of an experiment's run directories.
        seeds: Number of repetitions.
        seed: Root seed of all randomness.
        device: Torch device.
        benchmark: Benchmark whose original images an external model is given.
        changes: Settings that override those of an experiment's file.

    Returns:
        The answer, and the record: `instrument`, `source`, `subject`, `settings`, `verdict`, `numbers`, `seconds`,
        `versions`.

    Raises:
        UserError: If there is no such subject, or it does not suit the instrument.

    """
    instrument = INSTRUMENTS[name]
    subjects = subjects_of(
        subject, instrument.takes, artifacts=artifacts, trains=instrument.trains, benchmark=benchmark, changes=changes
    )
    shown = {"benchmark": benchmark} if subjects.kind == "model" else {"set": list(changes)} if changes else {}
    folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    answer = instrument.answer(subjects, Settings(folder=folder, seeds=seeds, seed=seed, device=device))
    record = {
        "instrument": name,
        "source": instrument.source,
        "subject": subject,
        "settings": {"seeds": seeds, "seed": seed, "device": device} | shown,
        "verdict": answer.verdict,
        "numbers": answer.numbers,
        "seconds": round(time.monotonic() - started, 1),
        "versions": software_versions(),
    }
    write_json(folder / f"{name}.json", record)
    return answer, record


def page_of(name: str, answer: Answer, record: dict[str, Any], folder: Path) -> Path:
    """Write NAME.html, which is self-contained, and return its path."""
    words = ["perturb", "analyse", name, *([record["subject"]] if record["subject"] else [])]
    asked = shlex.join([*words, *(word for change in record["settings"].get("set", ()) for word in ("--set", change))])
    made = {"source": record["source"]} | record["settings"] | {"seconds": record["seconds"]} | record["versions"]
    path = folder / f"{name}.html"
    page = render_page(
        name=name,
        title=INSTRUMENTS[name].question,
        asked=asked,
        answers=[answer.verdict],
        sections=[answer.section],
        provenance=made,
    )
    write_text(path, page)
    return path
