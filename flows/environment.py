"""Prefect's environment, set before Prefect is imported; what the user has set wins."""

import logging
import os

DEFAULTS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_CLIENT_MAX_RETRIES": "10",
}


def prepare() -> None:
    """Fill in the defaults."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)


def silence() -> None:
    """Keep the flow's engine from printing the exception that it raises anyway; the caller still gets it."""
    logging.getLogger("prefect.flow_runs").setLevel(logging.CRITICAL)
