"""Artifacts on Prefect's page: the progress of a flow run, then its tables, report and figures, and their paths."""

import base64
import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from pathlib import Path

from prefect.artifacts import (
    create_image_artifact,
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from pydantic import JsonValue

from perturb.files import read_json

SECONDS_BETWEEN_UPDATES = 5.0
LARGEST_IMAGE = 3_000_000
"""Bytes; larger images are linked instead of embedded."""
DECIMALS = 2
COLUMNS = ("metric", "method", "variant", "mean", "std", "n", "failed", "difference", "ci_low", "ci_high")

log = logging.getLogger(__name__)


@contextmanager
def progress_shown(name: str, fraction: Callable[[], float]) -> Iterator[None]:
    """Show `fraction`, in [0, 1], as a progress bar on Prefect's page; errors in doing so do not end the flow."""
    stop = threading.Event()
    context = copy_context()
    thread = threading.Thread(target=lambda: context.run(_keep, _key(name, "progress"), fraction, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=SECONDS_BETWEEN_UPDATES)


def _keep(key: str, fraction: Callable[[], float], stop: threading.Event) -> None:
    try:
        shown = create_progress_artifact(0.0, key=key, description="trainings, by their cost")
        while not stop.wait(SECONDS_BETWEEN_UPDATES):
            update_progress_artifact(shown, round(100 * fraction(), 1))
        update_progress_artifact(shown, round(100 * fraction(), 1))
    except Exception as error:
        log.warning("the progress cannot be shown on Prefect's page (%s)", error)


def show_results(name: str, results: Path) -> None:
    """Show the files next to a finished results.json on Prefect's page; errors in doing so do not end the flow."""
    try:
        _show(name, results)
    except Exception as error:
        log.warning("the results cannot be shown on Prefect's page (%s); they are in %s", error, results.parent)


def _show(name: str, results: Path) -> None:
    folder, found = results.parent, read_json(results)
    rows = [{column: _short(row[column]) for column in COLUMNS if column in row} for row in found["rows"]]
    create_table_artifact(rows, key=_key(name, "table"), description="; ".join(found["notes"][:1]))
    create_markdown_artifact((folder / "table.md").read_text(encoding="utf-8"), key=_key(name, "report"))
    for picture in sorted(folder.glob("*.png")):
        large = picture.stat().st_size > LARGEST_IMAGE
        encoded = "" if large else base64.b64encode(picture.read_bytes()).decode()
        address = picture.as_uri() if large else f"data:image/png;base64,{encoded}"
        create_image_artifact(address, key=_key(name, picture.stem), description=str(picture))
    create_link_artifact((folder / "report.html").as_uri(), key=_key(name, "results"), link_text=str(folder))


def _short(value: JsonValue) -> JsonValue:
    """Round a score as the report does, so that a line of the table fits the page."""
    return round(value, DECIMALS) if isinstance(value, float) else value


def _key(name: str, what: str) -> str:
    """Return an artifact key, for which Prefect allows lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", f"{name}-{what}".lower()).strip("-")
