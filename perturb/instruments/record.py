"""An analysis carried out and put on record: numbers for machines, a page for people."""

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
    """Ask an instrument, and write what it says to NAME.json.

    Args:
        name: of the instrument.
        subject: as a user has typed it; as `subjects_of`.
        folder: of the record and its figures, made where it is missing.
        artifacts: folder of an experiment's run directories.
        seeds: repetitions.
        seed: root of all randomness.
        device: of torch.
        benchmark: whose original images a model from outside is shown.
        changes: settings that take the place of those of an experiment's file.

    Returns:
        The answer, and the record: `instrument`, `source`, `subject`, `settings`, `verdict`, `numbers`, `seconds`,
        `versions`.

    Raises:
        UserError: the subject is none, or does not suit the instrument.

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
    """Write NAME.html, which needs no other file, and return its path."""
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
