"""The documentation site: built without warnings, free of external resources, usable on a phone.

Skipped where MkDocs is not installed, unless PERTURB_SITE=required.
"""

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from real_browser import DESKTOP, PHONE, TOO_WIDE, chromium, opened, unavailable

import perturb

ROOT = Path(__file__).parent.parent
CONFIG = ROOT / "mkdocs.yml"
NAVIGATION = re.findall(r"^ +- [^:\n]+: (\S+)$", CONFIG.read_text(encoding="utf-8").partition("\nnav:\n")[2], re.MULTILINE)
"""Paths of the pages in the navigation."""
SCROLLING = "pre, .md-typeset__scrollwrap, .md-typeset__table, .md-tabs, .md-sidebar, .md-search, .md-skip, .md-dialog"
"""Selector of the elements that have their own scroll bar or are hidden until opened."""


def _page(site: Path, source: str) -> Path:
    """Path of the page for a file of the repository."""
    folder, _, name = source.rpartition("/")
    name = {"README.md": "index.html"}.get(name, name if name.endswith(".ipynb") else name.removesuffix(".md"))
    return site / folder / (name if name.endswith(".html") else f"{name}.html")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, freshly built with warnings as errors."""
    if importlib.util.find_spec("mkdocs") is None:
        unavailable("mkdocs is not installed: pip install '.[docs]', or make docs", "PERTURB_SITE")
    folder = tmp_path_factory.mktemp("site").resolve()
    command = [sys.executable, "-W", "default", "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The system's Chromium, headless."""
    with chromium() as found:
        yield found


class _Loaded(HTMLParser):
    """Collects the addresses a browser loads to show a page, without links that a reader would have to follow."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag not in ("a", "area", "base") and (tag != "link" or found.get("rel") not in ("canonical", "prev", "next")):
            self.addresses += [found.get(name) or "" for name in ("src", "srcset", "href", "poster", "data", "action")]
        self.addresses += _in_style(found.get("style") or "")

    def handle_data(self, data: str) -> None:
        if self.get_starttag_text() == "<style>":
            self.addresses += _in_style(data)


def _in_style(text: str) -> list[str]:
    return re.findall(r"""(?:url\(|@import)\s*["']?([^"')\s]+)""", text)


def _elsewhere(addresses: list[str]) -> list[str]:
    return [address for address in addresses if re.match(r"\s*(https?:)?//", address)]


def test_every_document_is_in_the_navigation_and_every_entry_exists() -> None:
    documents = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert len(documents) > 12
    assert documents <= set(NAVIGATION)
    assert [name for name in NAVIGATION if not (ROOT / name).is_file()] == []


def test_pages_have_the_same_paths_as_in_the_repository(site: Path) -> None:
    assert [source for source in NAVIGATION if not _page(site, source).is_file()] == []


def test_linked_files_become_pages_too(site: Path) -> None:
    for listing in ("perturb/perturbation/local_metric.py.html", "configs/index.html", "configs/quickstart.toml.html"):
        assert (site / listing).is_file()
    page = _page(site, "docs/method.md").read_text(encoding="utf-8")
    assert 'href="../artifacts/published/mini/table.html"' in page
    assert 'href="../perturb/perturbation/local_metric.py.html"' in page


def test_a_notebook_becomes_a_page_with_its_text_and_code(site: Path) -> None:
    page = _page(site, "examples/notebooks/open_a_modified_file.ipynb").read_text(encoding="utf-8")
    assert page.count('class="language-python highlight"') == 5
    assert "What the file promises" in page


def test_the_api_reference_has_every_public_name(site: Path) -> None:
    page = _page(site, "docs/api/perturb.md").read_text(encoding="utf-8")
    headings = set(re.findall(r'<h2 id="([^"]+)"', page))
    assert {f"perturb.{name}" for name in perturb.__all__ if name != "__version__"} <= headings


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    pages, styles = sorted(site.rglob("*.html")), sorted(site.rglob("*.css"))
    assert len(pages) > len(NAVIGATION)
    assert len(styles) > 2
    for page in pages:
        parser = _Loaded()
        parser.feed(page.read_text(encoding="utf-8"))
        assert _elsewhere(parser.addresses) == [], page
    for style in styles:
        assert _elsewhere(_in_style(style.read_text(encoding="utf-8"))) == [], style


def test_the_check_for_external_resources_detects_them() -> None:
    parser = _Loaded()
    parser.feed(
        '<link rel="stylesheet" href="https://example.invalid/a.css"><link rel="canonical" href="https://example.invalid/">'
        '<script src="//example.invalid/b.js"></script><a href="https://example.invalid/c">c</a><img src="d.png">'
        '<p style="background: url(https://example.invalid/e.png)"></p><style>@import "https://example.invalid/f.css";</style>'
    )
    assert [address.rpartition("/")[2] for address in _elsewhere(parser.addresses)] == ["a.css", "b.js", "e.png", "f.css"]


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desk"])
def test_pages_fit_the_screen_and_have_no_errors(browser: Any, site: Path, size: dict[str, int]) -> None:
    page, faults = opened(browser, _page(site, NAVIGATION[0]), site, viewport=size)
    for source in NAVIGATION:
        page.goto(_page(site, source).as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == size["width"], source
        assert page.evaluate(TOO_WIDE, SCROLLING) == [], source
        assert page.evaluate("[...document.images].filter(image => image.complete && !image.naturalWidth).length") == 0, (
            source
        )
        assert faults == [], source


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_follow_the_readers_light_or_dark_preference(browser: Any, site: Path, scheme: str) -> None:
    page, _ = opened(browser, _page(site, "docs/faq.md"), site, color_scheme=scheme)
    shades = page.evaluate("[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]")
    ink, paper = (sum(map(float, re.findall(r"[\d.]+", shade)[:3])) for shade in shades)
    assert (paper > ink) == (scheme == "light")


def test_scripts_cannot_make_external_requests(browser: Any, site: Path) -> None:
    page, faults = opened(browser, _page(site, "docs/faq.md"), site)
    asked = "url => fetch(url).then(() => 'answered', () => 'refused')"
    assert page.evaluate(asked, "https://example.invalid/") == "refused"
    assert [fault for fault in faults if "Content Security Policy" in fault]
    assert [fault for fault in faults if fault.startswith("request")] == []


def test_the_search_works_from_local_files(browser: Any, site: Path) -> None:
    page, faults = opened(browser, _page(site, "docs/faq.md"), site, viewport=DESKTOP)
    page.locator(".md-search__input").fill("untrained pattern")
    page.locator(".md-search-result__link").first.wait_for()
    assert faults == []
