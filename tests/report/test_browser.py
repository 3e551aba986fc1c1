"""The report in a real Chromium."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_scores import made_scores
from PIL import Image
from real_browser import PHONE, TOO_WIDE, chromium, opened

from perturb.report.page import render_page
from perturb.report.section import Picture, Section
from perturb.report.sections.differences import draw_forest
from perturb.report.sections.images import draw_images
from perturb.report.sentences import method_sentences
from perturb.report.table import plain_table
from perturb.report.tables import score_tables
from perturb.report.thesis import thesis_numbers
from perturb.statistics.scores import summarise

A4 = {"width": 680, "height": 1000}
"""Printable area in points, with margins of 15 mm."""
METHODS = "AE", "β-VAE", "FactorVAE", "TC-VAE", "SlowVAE", "PCL", "Weakly supervised GAN"
VARIANTS = "original", "modified", "noise", "untrained"
SCROLLING = ".scroll, figure.wide"
"""Selector of the elements that have their own scroll bar."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The system's Chromium, headless."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with every element a report can have, at its widest."""
    folder, rng = tmp_path_factory.mktemp("page"), np.random.default_rng(0)
    scores = []
    for method in METHODS:
        for variant in VARIANTS:
            for draw in range(3 if variant in ("modified", "untrained") else 1):
                scores += made_scores(method, variant, *rng.uniform(size=5), None, pruned=(0,), draw=draw)
    rows = summarise(scores, ["mig"])
    images = rng.integers(256, size=(3, 32, 32, 3), dtype=np.uint8)
    draw_images(folder / "images.png", images, dict.fromkeys(VARIANTS[1:], images), epsilon=0.2)
    draw_forest(folder / "forest.png", rows, "mig")
    wide = plain_table("A wide table", ["Factor", *(f"a long heading {k}" for k in range(8))], [["x", *["0.60 ± 0.31"] * 8]])
    thesis = thesis_numbers("shapes3d", {"AE": "autoencoder", "β-VAE": "beta_vae"})
    pictures = [Picture(folder / "images.png", "What was added, and the image that results.", "Noise")]
    page = render_page(
        name="mini-study",
        title="Does it disentangle, or does it lean on the data?",
        asked="Every image is nudged by at most ε.",
        answers=["MIG falls by 0.31 on the modified images (95 % interval [−0.40, −0.22]).", *method_sentences(rows, "mig")],
        sections=[
            Section(title="Scores", tables=score_tables(rows, thesis=thesis, compared=True), figures=pictures),
            Section(
                title="Differences", tables=[wide], figures=[Picture(folder / "forest.png", "All at a glance.", "Bars")]
            ),
            Section(title="Caveats", points=["A" + "very" * 40 + "LongWord", "Another note."]),
        ],
        provenance={"config (sha256)": "0123456789abcdef" * 4, "torch": "2.13"},
    )
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_loads_without_errors_or_requests_in_light_and_dark_mode(browser: Any, report: Path, scheme: str) -> None:
    page, faults = opened(browser, report, color_scheme=scheme)
    assert faults == []
    assert page.evaluate("[...document.images].map(image => image.complete && image.naturalWidth > 0)") == [True, True]
    shades = page.evaluate("[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]")
    ink, paper = (sum(map(int, shade.strip("rgb()").split(","))) for shade in shades)
    assert abs(ink - paper) > 500
    assert (paper > ink) == (scheme == "light")


def test_nothing_is_wider_than_the_screen_on_a_phone(browser: Any, report: Path) -> None:
    page, _ = opened(browser, report, viewport=PHONE, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.evaluate("innerWidth") == PHONE["width"]
    assert page.evaluate(TOO_WIDE, SCROLLING) == []
    smallest = (
        "Math.min(...[...document.querySelectorAll('td, small, p, dd')].map(e => parseFloat(getComputedStyle(e).fontSize)))"
    )
    assert page.evaluate(smallest) >= 12


def test_a_wide_table_scrolls_while_its_row_names_stay_in_place(browser: Any, report: Path) -> None:
    page, _ = opened(browser, report, viewport=PHONE)
    box = page.locator(".scroll", has_text="A wide table")
    before = box.locator("tbody th").bounding_box()["x"]
    assert box.evaluate("e => { e.scrollLeft = 10000; return e.scrollLeft }") > 100
    assert box.locator("tbody th").bounding_box()["x"] == pytest.approx(before, abs=1)


def test_a_scrollable_table_shows_at_its_edge_that_there_is_more(browser: Any, report: Path) -> None:
    page, _ = opened(browser, report, viewport=PHONE, reduced_motion="reduce")
    page.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
    box = page.locator(".scroll", has_text="A wide table")
    box.scroll_into_view_if_needed()

    def edge() -> int:
        """Darkest grey at the right edge of the box, above the lines between rows."""
        place = box.bounding_box()
        clip = {"x": place["x"] + place["width"] - 3, "y": place["y"] + 4, "width": 2, "height": 2}
        image = Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("L")
        return int(np.asarray(image).min())

    assert edge() < 235
    box.evaluate("e => { e.scrollLeft = 10000 }")
    page.wait_for_timeout(100)
    assert edge() > 245


def test_keyboard_focus_explains_a_term_and_tapping_it_leads_to_the_glossary(browser: Any, report: Path) -> None:
    page, _ = opened(browser, report, viewport=PHONE, reduced_motion="reduce")
    word = page.locator("a.word").first
    said = "getComputedStyle(document.querySelector('a.word'), '::after').content"
    assert page.evaluate(said) == "none"
    page.keyboard.press("Tab")
    assert word.evaluate("e => e === document.activeElement")
    assert word.get_attribute("title") in page.evaluate(said).replace('\\"', '"')
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    word.click()
    target = page.locator(word.get_attribute("href"))
    assert target.is_visible()


def test_figures_have_a_white_background_in_dark_mode(browser: Any, report: Path) -> None:
    page, _ = opened(browser, report, color_scheme="dark")
    shades = page.evaluate("[...document.querySelectorAll('figure')].map(e => getComputedStyle(e).backgroundColor)")
    assert shades
    assert set(shades) == {"rgb(255, 255, 255)"}


def test_the_table_of_contents_links_to_the_sections(browser: Any, report: Path) -> None:
    page, faults = opened(browser, report, viewport=PHONE, reduced_motion="reduce")
    page.get_by_role("link", name="Differences").click()
    page.wait_for_function("Math.abs(document.querySelector('#s2').getBoundingClientRect().top) < 60")
    assert faults == []


def test_the_printed_page_cuts_off_no_table_or_figure_and_unfolds_everything(browser: Any, report: Path) -> None:
    page, _ = opened(browser, report, viewport=A4)
    page.emulate_media(media="print")
    assert page.evaluate(TOO_WIDE, ".nothing") == []
    printed = page.pdf(format="A4", prefer_css_page_size=True)
    assert printed.startswith(b"%PDF-")
    assert len(printed) > 20_000
    folded = page.locator("details:not([open]) > :not(summary)")
    assert folded.count() > 1
    assert all(folded.nth(k).bounding_box()["height"] > 0 for k in range(folded.count()))


def test_the_browser_checks_detect_errors_requests_and_overflow(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "bad.html"
    path.write_text(
        '<meta name="viewport" content="width=device-width"><div style="width: 900px">wide</div>'
        '<img src="https://example.invalid/a.png"><script>throw new Error("oh")</script>',
        encoding="utf-8",
    )
    page, faults = opened(browser, path, viewport=PHONE)
    assert {fault.split(":")[0] for fault in faults} == {"console", "error", "request"}
    assert page.evaluate(TOO_WIDE, SCROLLING) == ["DIV "]
