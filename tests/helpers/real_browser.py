"""The system's Chromium, for tests of pages. They are skipped where there is none, unless PERTURB_BROWSER=required."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}
TOO_WIDE = """scrolling => [...document.querySelectorAll('body *')]
    .filter(e => !e.parentElement.closest(scrolling) && e.getBoundingClientRect().right > innerWidth + 0.5)
    .map(e => e.tagName + ' ' + e.className)"""
"""Elements beyond the right edge; what lies in a box that scrolls by itself, named by a selector, may be."""


def unavailable(reason: str, variable: str = "PERTURB_BROWSER") -> None:
    """Skip a test, or fail it where a variable says `required`."""
    if os.environ.get(variable) == "required":
        pytest.fail(f"{reason}, and {variable}=required")
    pytest.skip(reason)


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless Chromium of the system's."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        unavailable("playwright is not installed: pip install playwright, or make test-browser")
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        unavailable("there is no chromium: apt-get install chromium, or make test-browser")
    with sync_playwright() as playwright:
        # Chromium refuses its sandbox to root; it reads nothing here but our own pages.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        found = playwright.chromium.launch(executable_path=path, args=arguments)
        yield found
        found.close()


def opened(browser: Any, path: Path, site: Path | None = None, **settings: Any) -> tuple[Any, list[str]]:
    """The loaded page, and what went wrong or asked for something elsewhere: off the page, or out of its site's folder."""
    page, faults = browser.new_page(**settings), []
    page.on("console", lambda message: faults.append(f"console: {message.text}") if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(f"error: {error}"))
    page.on("request", lambda asked: faults.append(f"request: {asked.url}") if _elsewhere(asked.url, path, site) else None)
    page.goto(path.as_uri())
    page.wait_for_load_state("networkidle")
    return page, faults


def _elsewhere(url: str, path: Path, site: Path | None) -> bool:
    if url.startswith(("data:", "about:")):
        return False
    return url.split("#")[0] != path.as_uri() if site is None else not url.startswith(f"{site.as_uri()}/")
