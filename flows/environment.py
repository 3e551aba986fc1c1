"""Default environment variables for Prefect, set before Prefect is imported; the user's own settings take precedence."""

import logging
import os

DEFAULTS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_INTERNAL_LOGGING_LEVEL": "CRITICAL",
    # Pauses start at 2 s and double: a server that is gone gets half a minute; a busy one states its own pauses.
    "PREFECT_CLIENT_MAX_RETRIES": "4",
}


def prepare() -> None:
    """Set each default that the environment does not have."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)


def silence() -> None:
    """Keep Prefect from printing exceptions that it raises anyway and events that it cannot deliver.

    Task logs go only to Prefect's page.
    """
    for name in ("prefect.flow_runs", "prefect._internal.concurrency", "prefect.events.clients"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    tasks = logging.getLogger("prefect.task_runs")
    tasks.setLevel(logging.INFO)
    tasks.propagate = False
