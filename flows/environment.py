"""Prefect's environment, set before Prefect is imported; what the user has set wins."""

import logging
import os

DEFAULTS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_INTERNAL_LOGGING_LEVEL": "CRITICAL",
    # Pauses double from 2 s on: a server that is gone is given half a minute, and a busy one asks for pauses of its own.
    "PREFECT_CLIENT_MAX_RETRIES": "4",
}


def prepare() -> None:
    """Fill in the defaults."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)


def silence() -> None:
    """Keep Prefect from printing exceptions that it raises anyway and events that it cannot deliver.

    The logs of tasks go to its page alone.
    """
    for name in ("prefect.flow_runs", "prefect._internal.concurrency", "prefect.events.clients"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    tasks = logging.getLogger("prefect.task_runs")
    tasks.setLevel(logging.INFO)
    tasks.propagate = False
