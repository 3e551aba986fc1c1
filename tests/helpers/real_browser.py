"""The system's Chromium for tests of pages, which are skipped without one unless PERTURB_BROWSER=required."""

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
"""Elements beyond the right edge of the screen, except within boxes that have their own scroll bar (a selector)."""


def unavailable(reason: str, variable: str = "PERTURB_BROWSER") -> None:
    """Skip a test, or fail it if this environment variable is `required`."""
    if os.environ.get(variable) == "required":
        pytest.fail(f"{reason}, and {variable}=required")
    pytest.skip(reason)


@contextmanager
def chromium() -> Iterator[Any]:
    """Run the system's Chromium, headless."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        unavailable("playwright is not installed: pip install playwright, or make test-browser")
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        unavailable("there is no chromium: apt-get install chromium, or make test-browser")
    with sync_playwright() as playwright:
        # Chromium's sandbox does not work for root. It only opens our own pages here.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        found = playwright.chromium.launch(executable_path=path, args=arguments)
        yield found
        found.close()


def opened(browser: Any, path: Path, site: Path | None = None, **settings: Any) -> tuple[Any, list[str]]:
    """Open a page; return it with its errors and its requests outside the page or, if given, the site's folder."""
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
