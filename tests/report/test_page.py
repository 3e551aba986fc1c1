import base64
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from perturb.report.foot import Making, with_foot
from perturb.report.page import LONG, render_page
from perturb.report.section import Picture, Section, as_markdown
from perturb.report.sentences import method_sentences
from perturb.report.table import Cell, TextTable, plain_table
from perturb.report.tables import score_tables
from perturb.report.thesis import ThesisNumbers, thesis_numbers
from perturb.statistics.scores import Row

PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==")
"""A complete PNG of one pixel."""


def _row(variant: str = "original", method: str = "AE", **fields: Any) -> Row:
    values: dict[str, Any] = {"mean": 0.5, "std": 0.1, "n": 5, "failed": 0, "over_pruned": 0, "pairs": 5}
    values |= {"difference": None, "ci_low": None, "ci_high": None} | fields
    return Row(method=method, variant=variant, metric="mig", **values)


def _compared(low: float | None, high: float | None, **fields: Any) -> Row:
    return _row(
        **{"variant": "modified", "mean": 0.1, "difference": -0.4, "ci_low": low, "ci_high": high, "retained": 0.2} | fields
    )


class _Found(HTMLParser):
    """Collects tags with their attributes, and the text outside style and script elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data: str) -> None:
        self.text += "" if self._inside in ("style", "script") else data


def _page(
    tmp_path: Path,
    rows: list[Row],
    *,
    caption: str = "A caption",
    notes: Sequence[str] = ("Mind the gap.",),
    thesis: ThesisNumbers | None = None,
    **changes: Any,
) -> str:
    """Render a page like that of an experiment's report."""
    (tmp_path / "a.png").write_bytes(PIXEL)
    pictures = [Picture(tmp_path / "a.png", caption, "What is seen")]
    values: dict[str, Any] = {
        "name": "tiny",
        "title": "Does it?",
        "asked": "Experiment tiny on mini.",
        "answers": [
            sentence for metric in dict.fromkeys(row.metric for row in rows) for sentence in method_sentences(rows, metric)
        ],
        "sections": [
            Section(title="Scores", tables=score_tables(rows, thesis=thesis, compared=True), figures=pictures),
            Section(title="Caveats", points=notes),
        ],
        "provenance": {"config": "0123abcd"},
    }
    return render_page(**values | changes)


@pytest.mark.parametrize(
    ("low", "high", "chance"),
    [
        (-0.6, -0.2, False),
        (0.2, 0.6, False),
        (-0.6, 0.2, True),
        (-0.6, 0.0, True),
        (0.0, 0.6, True),
        (0.0, 0.0, True),
        (-0.6, -1e-9, False),
    ],
)
def test_a_change_may_be_chance_exactly_when_its_interval_contains_zero(low: float, high: float, chance: bool) -> None:
    (sentence,) = method_sentences([_row(), _compared(low, high)], "mig")
    assert ("may be chance" in sentence) == chance


def test_the_holm_adjusted_p_decides_on_chance_while_the_interval_is_unadjusted() -> None:
    (sentence,) = method_sentences([_row(), _compared(-0.6, -0.2, p=0.01, p_holm=0.2)], "mig")
    assert "[−0.60, −0.20], which may be chance" in sentence
    (sentence,) = method_sentences([_row(), _compared(-0.6, -0.2, p=0.001, p_holm=0.02)], "mig")
    assert "may be chance" not in sentence


def test_the_answer_states_the_score_the_retained_share_the_difference_and_its_interval() -> None:
    assert method_sentences([_row(), _compared(-0.6, -0.2)], "mig") == [
        "AE reaches a MIG of 0.50 on the original; on modified it keeps 20% of it (−0.40, 95 % interval [−0.60, −0.20])."
    ]


def test_the_answer_has_a_sentence_per_method_and_a_clause_per_variant() -> None:
    rows = [
        _row(), _compared(-0.6, -0.2), _compared(-0.1, 0.1, variant="noise"),
        _row(method="β-VAE"), _compared(-0.6, -0.2, method="β-VAE"), _compared(-0.1, 0.1, variant="noise", method="β-VAE"),
    ]  # fmt: skip
    first, second = method_sentences(rows, "mig")
    assert first.startswith("AE reaches")
    assert second.startswith("β-VAE reaches")
    assert first.index("on modified it") < first.index("on noise it")
    assert first.count("may be chance") == 1


def test_too_few_pairs_are_reported_instead_of_an_interval() -> None:
    (sentence,) = method_sentences([_row(), _compared(None, None)], "mig")
    assert "too few pairs for an interval" in sentence
    assert "may be chance" not in sentence


def test_a_score_of_zero_has_no_retained_share() -> None:
    (sentence,) = method_sentences([_row(mean=0.0), _compared(-0.1, 0.1, retained=None)], "mig")
    assert "has nothing to keep" in sentence


def test_a_method_whose_runs_on_the_original_all_failed_is_reported() -> None:
    assert method_sentences([_row(mean=None, std=None, n=0, failed=5), _compared(None, None, difference=None)], "mig") == [
        "AE: all runs on the original failed."
    ]


@pytest.mark.parametrize("fields", [{"mean": None, "std": None, "n": 0, "failed": 5}, {"mean": 0.3}])
def test_a_variant_without_pairs_is_not_compared(fields: dict[str, Any]) -> None:
    (sentence,) = method_sentences([_row(), _compared(None, None, difference=None, **fields)], "mig")
    assert sentence.endswith("; no run on modified could be compared.")


def test_the_answer_is_a_complete_sentence_without_other_variants() -> None:
    assert method_sentences([_row()], "mig") == ["AE reaches a MIG of 0.50 on the original."]


def test_answers_are_limited_to_the_requested_metric() -> None:
    assert method_sentences([_row(), _compared(-0.6, -0.2)], "other") == []


def test_the_page_needs_no_network(tmp_path: Path) -> None:
    page = _page(tmp_path, [_row(), _compared(-0.6, -0.2)])
    links = [
        value
        for _, attributes in _Found(page).tags
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "action", "data", "poster")
    ]
    assert links
    assert all(link.startswith(("data:", "#")) for link in links)
    assert "url(" not in page
    assert "@import" not in page
    assert not re.search(r"https?://", page)


def test_the_page_embeds_its_images_unchanged(tmp_path: Path) -> None:
    images = [attributes for tag, attributes in _Found(_page(tmp_path, [_row()])).tags if tag == "img"]
    assert [image["alt"] for image in images] == ["What is seen"]
    kind, data = images[0]["src"].split(",", 1)
    assert kind == "data:image/png;base64"
    assert base64.b64decode(data) == PIXEL


def test_the_page_shows_answers_tables_notes_and_provenance(tmp_path: Path) -> None:
    rows = [_row(), _compared(-0.6, -0.2), _row(method="β-VAE"), _compared(-0.1, 0.1, method="β-VAE", failed=2)]
    text = _Found(_page(tmp_path, rows)).text
    for sentence in method_sentences(rows, "mig"):
        assert sentence in text
    for part in (
        "tiny",
        "mini",
        "MIG",
        "0.50 ± 0.10",
        "n = 5",
        "−0.40",
        "[−0.60, −0.20]",
        "2 failed",
        "Mind the gap.",
        "0123abcd",
    ):
        assert part in text


@pytest.mark.parametrize("place", ["method", "note", "caption", "asked", "provenance"])
def test_the_page_escapes_user_supplied_text(tmp_path: Path, place: str) -> None:
    evil = '<script>alert("1")</script>'
    rows = [_row(method=evil), _compared(-0.6, -0.2, method=evil)] if place == "method" else [_row()]
    changes: dict[str, dict[str, Any]] = {
        "method": {},
        "note": {"notes": [evil]},
        "caption": {"caption": evil},
        "asked": {"asked": evil},
        "provenance": {"provenance": {evil: evil}},
    }
    page = _page(tmp_path, rows, **changes[place])
    found = _Found(page)
    assert evil in found.text
    assert "script" not in [tag for tag, _ in found.tags]


def test_the_page_reports_a_method_that_failed_on_every_variant(tmp_path: Path) -> None:
    failed = {"mean": None, "std": None, "n": 0, "failed": 5}
    text = _Found(_page(tmp_path, [_row(**failed), _compared(None, None, difference=None, **failed)])).text
    assert "AE: all runs on the original failed." in text
    assert text.count("all 5 failed") == 2


def _sections(tmp_path: Path) -> list[Section]:
    (tmp_path / "b.png").write_bytes(PIXEL)
    grouped = TextTable(
        title="Grouped", corner="Method", columns=("one", "two", "three"),
        lines=(("AE", (Cell("1"), Cell("2", ("a detail",)), Cell("3", (), "4", "elsewhere"))),), note="A note.",
    )  # fmt: skip
    return [
        Section(title="Search", text=["A paragraph."], points=["A point."], tables=[grouped]),
        Section(title="Traversals", figures=[Picture(tmp_path / "b.png", "Another caption", alt="For the blind")]),
        Section(title="Plain", tables=[plain_table("Plain table", ["Name", "Value"], [["x", "1"]])]),
    ]


def test_sections_are_rendered_in_order_with_all_their_content(tmp_path: Path) -> None:
    found = _Found(
        render_page(
            name="tiny",
            title="Why?",
            asked="What was asked.",
            answers=["So it is."],
            sections=_sections(tmp_path),
            provenance={"config": "0123"},
        )
    )
    parts = ["Why?", "What was asked.", "So it is.", "A paragraph.", "A point.", "Grouped", "a detail", "A note."]
    places = [found.text.index(part) for part in [*parts, "Another caption", "Plain table", "Provenance", "0123"]]
    assert places == sorted(places)
    assert "(in brackets: elsewhere)" in found.text
    assert "(4)" in found.text
    (image,) = [attributes for tag, attributes in found.tags if tag == "img"]
    assert (image["alt"], image["width"], image["height"]) == ("For the blind", "1", "1")


def test_every_link_in_the_table_of_contents_leads_to_its_section(tmp_path: Path) -> None:
    found = _Found(_page(tmp_path, [_row()], sections=_sections(tmp_path)))
    links = [attributes["href"] for tag, attributes in found.tags if tag == "a" and not attributes.get("class")]
    assert links == [f"#{attributes['id']}" for tag, attributes in found.tags if tag == "section"]
    assert len(links) == len(_sections(tmp_path))


def test_the_answers_come_before_everything_else(tmp_path: Path) -> None:
    text = _Found(_page(tmp_path, [_row()], answers=["It falls by 0.40.", "The rest does not."])).text
    assert text.index("Does it?") < text.index("It falls by 0.40.") < text.index("The rest does not.") < text.index("Scores")


def test_the_thesis_numbers_are_shown_beside_our_scores(tmp_path: Path) -> None:
    thesis = thesis_numbers("shapes3d", {"AE": "autoencoder"})
    text = _Found(_page(tmp_path, [_row(), _compared(-0.6, -0.2)], thesis=thesis)).text
    assert "(in brackets: thesis)" in text
    assert "(0.06 ± 0.03)" in text


def test_sections_can_be_rendered_as_markdown(tmp_path: Path) -> None:
    text = as_markdown(_sections(tmp_path))
    for line in (
        "## Search", "A paragraph.", "- A point.", "### Grouped", "| Method | one | two | three |",
        "| AE | 1 | 2, a detail | 3 (elsewhere: 4) |", "A note.", "![For the blind](b.png)", "Another caption",
    ):  # fmt: skip
        assert line in text.splitlines()


def _rendered(*sections: Section, **changes: Any) -> str:
    values: dict[str, Any] = {"name": "", "title": "", "asked": "", "answers": [], "provenance": {}}
    return render_page(**values | {"sections": sections} | changes)


def _lines(count: int) -> TextTable:
    return plain_table(f"Table of {count}", ["Name", "Value"], [[str(k), "1"] for k in range(count)])


def test_only_the_first_table_of_a_section_is_unfolded_unless_it_is_long(tmp_path: Path) -> None:
    page = _rendered(Section(title="S", tables=[_lines(LONG), _lines(1)]), Section(title="T", tables=[_lines(LONG + 1)]))
    folded = re.findall(r"<summary>(Table[^<]*)</summary>", page)
    assert folded == ["Table of 1: 1 line", f"Table of {LONG + 1}: {LONG + 1} lines"]


def test_explanations_and_repeated_sections_are_folded_but_present(tmp_path: Path) -> None:
    page = _rendered(
        Section(title="Open", explained=["So it is read."]), Section(title="Again", text=["Retold."], folded=True)
    )
    assert re.search(r"<details[^>]*><summary>How to read this</summary>\s*<p>So it is read.</p>\s*</details>", page)
    assert re.search(r"<details[^>]*><summary><h2>Again</h2></summary>\s*<p>Retold.</p>", page)
    assert "So it is read." in as_markdown([Section(title="Open", explained=["So it is read."])])


@pytest.mark.parametrize(("cells", "columns"), [(["1"] * 3, 1), (["0.60 ± 0.31"] * 5, 2), (["0.60 ± 0.31"] * 12, 3)])
def test_a_table_spans_as_many_page_columns_as_its_cells_need(cells: list[str], columns: int) -> None:
    table = plain_table("T", ["Name", *(f"a long heading {k}" for k in range(len(cells)))], [["x", *cells]])
    assert table.columns_of_page == columns


def test_the_first_use_of_a_term_links_to_its_definition_and_back(tmp_path: Path) -> None:
    section = Section(title="MIG", text=["No factor and no MIG.", "A MIG of factors, once more."])
    page = _rendered(section, answers=["<b> & MIG by ε."])
    found = _Found(page)
    words = [attributes for tag, attributes in found.tags if tag == "a" and attributes.get("class") == "word"]
    assert [word["href"] for word in words] == ["#word-MIG", "#word-ε", "#word-factor"]
    assert all(word["title"] for word in words)
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    backs = [attributes["href"] for tag, attributes in found.tags if tag == "a" and attributes.get("class") == "back"]
    assert sorted(backs) == ["#first-MIG", "#first-factor", "#first-ε"]
    assert {link[1:] for link in backs} | {str(word["href"])[1:] for word in words} <= set(ids)
    assert "&lt;b&gt; &amp; " in page


def test_a_page_without_glossary_terms_has_no_glossary(tmp_path: Path) -> None:
    assert "Glossary" not in _Found(_rendered(Section(title="S", text=["Nothing."]))).text


def test_the_footer_states_only_what_is_known(tmp_path: Path) -> None:
    page = _rendered(provenance={"config": "<!-- foot line -->"})
    told = with_foot(
        page,
        Making(
            version="1.2", commit="89abcde", config_hash="0123", hours=0.1234, runs=7, date="2026-01-02", machine="2 cores",
            devices=["cpu"], command="perturb run <b>.toml",
        ),
    )  # fmt: skip
    made_by = "perturb run &lt;b&gt;.toml · perturb 1.2 (commit 89abcde)"
    line = f"2026-01-02 · {made_by} · 0.12 core hours in 7 runs on cpu · 2 cores · config 0123"
    assert told.count(f'<p class="made">{line}</p>') == 1
    bare = with_foot(page, Making(version="1.2", config_hash="0123", hours=12.3, runs=7))
    assert '<p class="made">perturb 1.2 · 12 core hours in 7 runs · config 0123</p>' in bare
