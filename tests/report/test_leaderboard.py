"""The leaderboard page and Markdown for a folder of entries."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from real_browser import chromium, opened
from small_entries import entry_as_json, write_raw
from typer.testing import CliRunner

from perturb.cli import app
from perturb.config.objectives import METHODS
from perturb.entries.entry import Entry
from perturb.entries.packaged import published_entries
from perturb.errors import UserError
from perturb.report.leaderboard import boards_of, entries_in, paper_of, write_leaderboard

HOSTILE = '<img src=x onerror="alert(1)"> | `a`'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three comparable entries, one with other settings, one on other images, and one that is invalid."""
    write_raw(tmp_path / "leans.json", entry_as_json("Leans", original=[0.6, 0.5], modified=[0.3, 0.25]))
    write_raw(tmp_path / "holds.json", entry_as_json("Holds", original=[0.4, 0.5], modified=[0.4, 0.5], noise=[0.4, None]))
    write_raw(tmp_path / "fails.json", entry_as_json(HOSTILE, original=[0.4, 0.5], modified=[None, None]))
    other = entry_as_json("Fast")
    other["metrics"][0]["settings"]["num_train"] = 500
    write_raw(tmp_path / "fast.json", other)
    (tmp_path / "mine").mkdir()
    moved = entry_as_json("Elsewhere")
    moved["dataset"]["files"][1]["images_sha256"] = "e" * 64
    write_raw(tmp_path / "mine" / "entry.json", moved)
    bad = entry_as_json("Bad", original=[0.5, 1.5], modified=[0.1, 0.1])
    write_raw(tmp_path / "bad.json", bad | {"note": "<b>"})
    return tmp_path


def test_entries_are_compared_only_with_those_of_the_same_images_and_settings(folder: Path) -> None:
    boards = boards_of(entries_in(folder)[0])
    models = sorted([line.entry.model for line in board.lines] for board in boards)
    assert models == [["Elsewhere"], ["Fast"], ["Holds", "Leans", HOSTILE]]


def test_built_in_methods_appear_only_on_the_boards_where_they_are_comparable(folder: Path, tmp_path: Path) -> None:
    built_in = [entry for entry in published_entries() if entry.dataset.name == "mini"]
    dataset = built_in[0].dataset.model_dump(mode="json")
    files = [file for file in dataset["files"] if file["variant"] in ("original", "modified") and file["draw"] == 0]
    mine = entry_as_json("Mine") | {"dataset": dataset | {"files": files}}
    write_raw(folder / "mine.json", mine)
    (_, table), _ = write_leaderboard(folder, tmp_path / "out")
    sections = {text.splitlines()[0]: text for text in table.read_text(encoding="utf-8").split("\n## ")[1:]}
    assert [title for title in sections if title.startswith("mini")] == ["mini, ε = 0.25: MIG"]
    shown = sections["mini, ε = 0.25: MIG"]
    assert "| Mine |" in shown
    found = [line.split(" | ")[-4:-2] for line in shown.splitlines()[4:] if " | " in line and "| Mine |" not in line]
    assert sorted(how for how, _ in found) == sorted(entry.how for entry in built_in)
    assert "pipeline" not in sections["discs, ε = 0.25: MIG"]
    (_, alone), _ = write_leaderboard(folder, tmp_path / "alone", built_in=False)
    assert "pipeline" not in alone.read_text(encoding="utf-8")


def test_the_page_shows_every_score_and_every_refused_entry(folder: Path, tmp_path: Path) -> None:
    (page, _), refused = write_leaderboard(folder, tmp_path / "out")
    text = re.sub(r"\s+", " ", page.read_text(encoding="utf-8"))
    assert "<h2>discs, ε = 0.25: MIG</h2>" in text
    cell = "<span>0.28 ± 0.04</span><small>−0.28 [−0.59, +0.04]</small></td>"
    assert f'<td role="cell" data-head="modified" data-key="0.275">{cell}' in text
    assert "50% [50%, 50%]" in text
    assert "all 2 failed" in text
    assert "1 failed" in text
    assert [each.file for each in refused] == ["bad.json"]
    assert "<b>bad.json</b>: The key `note` is unknown; remove it or correct its name." in text


def test_the_page_contains_no_foreign_markup_and_makes_no_network_requests(folder: Path, tmp_path: Path) -> None:
    text = write_leaderboard(folder, tmp_path / "out")[0][0].read_text(encoding="utf-8")
    found = _Tags(text)
    assert "img" not in found.names
    assert not {"src", "href"} & {name for name, value in found.attributes if value != "data:,"}
    assert "http" not in text.replace("http-equiv", "")
    assert "default-src 'none'" in text


def test_special_files_and_unprintable_file_names_are_refused_and_the_rest_is_shown(folder: Path, tmp_path: Path) -> None:
    os.mkfifo(folder / "pipe.json")
    (folder / "zero.json").symlink_to("/dev/zero")
    for name in (b"a\xff.json", b"two\nlines\x1b[31m.json"):
        shutil.copy(folder / "leans.json", os.fsencode(folder) + b"/" + name)
    (page, table), refused = write_leaderboard(folder, tmp_path / "out")
    found = {each.file: each.reasons for each in refused}
    no_file = ["The file cannot be read (it is no regular file)."]
    no_name = ["The file's name must be printable UTF-8; rename it."]
    assert (found["pipe.json"], found["zero.json"]) == (no_file, no_file)
    assert (found["a\\udcff.json"], found["two\\nlines\\x1b[31m.json"]) == (no_name, no_name)
    for path in (page, table):
        text = path.read_text(encoding="utf-8")
        assert "Leans" in text
        assert "pipe.json" in text
        assert "\x1b" not in text


def test_an_entry_with_thousands_of_seeds_and_hundreds_of_patterns_needs_little_memory(tmp_path: Path) -> None:
    draws, seeds = 900, 5_000
    entry = entry_as_json("Wide", original=[0.5] * seeds, modified=[0.3] * seeds)
    first, second = entry["dataset"]["files"]
    entry["dataset"]["files"] = [first, *({**second, "draw": draw} for draw in range(draws))]
    found = [run for run in entry["runs"] if run["variant"] == "modified"]
    entry["runs"] = [run for run in entry["runs"] if run["variant"] == "original"]
    entry["runs"] += [{**run, "draw": (run["seed"] + shift) % draws} for run in found for shift in (0, 1)]
    for run in entry["runs"]:
        del run["failure"]
    (tmp_path / "wide.json").write_text(json.dumps(entry, separators=(",", ":")), encoding="utf-8")
    limited = (
        "import resource; resource.setrlimit(resource.RLIMIT_DATA, (3 << 30,) * 2); from perturb.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", limited, "leaderboard", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "| 1 | Wide | 0.50 ± 0.00 | 0.30 ± 0.00, 900 patterns |" in (tmp_path / "leaderboard.md").read_text(
        encoding="utf-8"
    )


class _Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.names, self.attributes = set(), []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.names.add(tag)
        self.attributes += attrs


def test_paper_and_code_links_and_the_date_appear_where_an_entry_gives_them(tmp_path: Path) -> None:
    about = {"paper": "https://example.org/a?b=1&c=2", "code": "http://[::1]:8080/x", "date": "2026-11-27"}
    write_raw(tmp_path / "linked.json", entry_as_json("Linked") | about)
    write_raw(tmp_path / "plain.json", entry_as_json("Plain"))
    text = write_leaderboard(tmp_path, tmp_path / "out", built_in=False)[0][0].read_text(encoding="utf-8")
    links = [value for name, value in _Tags(text).attributes if name == "href" and value != "data:,"]
    assert links == [about["paper"], about["code"]]
    assert 'data-key="2026-11-27"><span>2026-11-27</span>' in text
    assert 'data-key=""><span>–</span>' in text


def test_there_is_no_date_column_without_dates(folder: Path, tmp_path: Path) -> None:
    text = write_leaderboard(folder, tmp_path / "out", built_in=False)[0][0].read_text(encoding="utf-8")
    assert 'data-head="date"' not in text


def test_what_an_author_says_the_model_saw_is_shown_beside_what_it_could_have_seen(tmp_path: Path) -> None:
    write_raw(tmp_path / "a.json", entry_as_json("Stated") | {"sees": "images"})
    write_raw(tmp_path / "b.json", entry_as_json("Silent"))
    (page, table), _ = write_leaderboard(tmp_path, tmp_path / "out", built_in=False)
    assert "| images, as stated (could: labels) | 2 |" in table.read_text(encoding="utf-8")
    text = page.read_text(encoding="utf-8")
    assert text.count('<tr role="row" class="images">') == text.count('<tr role="row" class="labels">') == 1
    assert [name for name in ("images", "pairs", "labels", "not-known") if f'id="see-{name}"' in text] == [
        "images",
        "labels",
    ]


def test_built_in_methods_are_tagged_and_a_users_file_cannot_claim_the_tag(tmp_path: Path) -> None:
    mine = published_entries()[0].model_dump(mode="json") | {"model": "Mine"}
    write_raw(tmp_path / "built in: Mine.json", mine)
    text = write_leaderboard(tmp_path, tmp_path / "out")[0][0].read_text(encoding="utf-8")
    marked = re.findall(r'<b>([^<]*)</b><span class="tag">built in</span>', text)
    assert set(marked) == {entry.model for entry in published_entries() if entry.dataset.name == "mini"}
    assert "built in: Mine.json" in text


NARROW = {"width": 390, "height": 844}


@pytest.fixture
def page_of(folder: Path, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Function that opens the page of three entries in Chromium: one saw images, one could see labels, one is unknown."""
    for path in [*folder.glob("*.json"), folder / "mine" / "entry.json"]:
        path.unlink()
    for name, about in {"Holds": {"sees": "images"}, "Leans": {}, "Codes": {"how": "codes"}}.items():
        scores = {"Holds": [0.4, 0.5], "Leans": [0.3, 0.2], "Codes": [0.1, 0.1]}[name]
        made = entry_as_json(name, original=[0.5, 0.5], modified=scores) | {"date": "2026-01-02"} | about
        write_raw(folder / f"{name}.json", made)
    path = write_leaderboard(folder, tmp_path / "out", built_in=False)[0][0]
    with chromium() as browser:
        yield lambda **settings: opened(browser, path, **settings)[0]


def _shown(page: Any) -> list[str]:
    return [name for name in page.locator("td b").all_inner_texts() if page.get_by_text(name, exact=True).is_visible()]


@pytest.mark.parametrize("scripts", [True, False])
def test_models_can_be_filtered_by_what_they_saw_from_the_keyboard_without_scripts_too(
    page_of: Callable[..., Any], scripts: bool
) -> None:
    page = page_of(java_script_enabled=scripts)
    assert _shown(page) == ["Holds", "Leans", "Codes"]
    page.keyboard.press("Tab")
    page.keyboard.press("Space")  # images
    assert _shown(page) == ["Leans", "Codes"]
    page.keyboard.press("Tab")
    page.keyboard.press("Space")  # labels
    assert _shown(page) == ["Codes"]
    assert page.get_by_text("Click a column head").is_visible() == scripts


def test_a_table_can_be_sorted_from_the_keyboard_and_announces_its_order(page_of: Callable[..., Any]) -> None:
    page = page_of()
    head = page.get_by_role("columnheader", name="model")
    head.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert (_shown(page), head.get_attribute("aria-sort")) == (["Leans", "Holds", "Codes"], "descending")
    page.keyboard.press("Enter")
    assert (_shown(page), head.get_attribute("aria-sort")) == (["Codes", "Holds", "Leans"], "ascending")


def test_on_a_phone_each_model_is_a_card_with_all_its_cells_and_can_still_be_sorted(page_of: Callable[..., Any]) -> None:
    page = page_of(viewport=NARROW)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    right = page.evaluate("[...document.querySelectorAll('td, button')].map(e => e.getBoundingClientRect().right)")
    assert max(right) <= NARROW["width"]
    heads = page.evaluate("[...document.querySelectorAll('tbody tr:first-child td')].map(e => e.dataset.head ?? '')")
    assert heads == ["", "original", "modified", "kept", "could see", "seeds", "date"]
    said = page.evaluate("getComputedStyle(document.querySelector('td[data-head=kept]'), '::before').content")
    assert said == '"kept"'
    page.get_by_role("button", name="model").click()
    assert _shown(page) == ["Leans", "Holds", "Codes"]
    assert page.get_by_role("cell").count() == 21


def test_all_columns_fit_a_desktop_width(tmp_path: Path) -> None:
    mine = published_entries()[0].model_dump(mode="json") | {"model": "Mine", "date": "2026-01-02", "sees": "images"}
    write_raw(tmp_path / "mine.json", mine | {"how": "fit"})
    path = write_leaderboard(tmp_path, tmp_path / "out")[0][0]
    with chromium() as browser:
        page, _ = opened(browser, path, viewport={"width": 1280, "height": 900})
        over = "[...document.querySelectorAll('.scroll')].map(e => e.scrollWidth - e.clientWidth)"
        assert max(page.evaluate(over)) <= 0


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_clicking_a_column_head_sorts_by_it_and_clicking_again_reverses_the_order(folder: Path, tmp_path: Path) -> None:
    for name in ("fast.json", "mine/entry.json"):
        (folder / name).unlink()
    page = write_leaderboard(folder, tmp_path / "out")[0][0]
    assert _models_after(page, []) == ["Holds", "Leans", "hostile"]
    assert _models_after(page, [1]) == ["Leans", "Holds", "hostile"]
    assert _models_after(page, [1, 1])[2] == "Leans"
    # Entries without a value stay last in either order.
    assert _models_after(page, [4])[2] == _models_after(page, [4, 4])[2] == "hostile"


def _models_after(page: Path, clicks: list[int]) -> list[str]:
    """Models in page order after clicking on the column heads with these numbers."""
    clicked = page.with_name("clicked.html")
    script = "".join(f"document.querySelectorAll('th button')[{number}].click();" for number in clicks)
    clicked.write_text(page.read_text(encoding="utf-8") + f"<script>{script}</script>", encoding="utf-8")
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={page.parent / 'profile'}"]
    done = subprocess.run([*command, "--dump-dom", clicked.as_uri()], capture_output=True, text=True, timeout=60, check=True)
    return ["hostile" if "img" in name else name for name in re.findall(r"<td[^>]*><b>(.*?)</b>", done.stdout)]


@pytest.mark.parametrize(
    ("objective", "paper"),
    [
        ({"kind": "pcl"}, METHODS["pcl"].paper),
        ({"kind": "mine"}, None),
        ({"kind": ["pcl"]}, None),
        ("pcl", None),
        (None, None),
    ],
    ids=["known", "unknown", "list", "text", "none"],
)
def test_the_paper_of_a_method_is_known_by_its_kind_alone(objective: object, paper: str | None) -> None:
    value = entry_as_json("Mine") | {"how": "pipeline", "paper": None, "settings": {"objective": objective}}
    assert paper_of(Entry.model_validate_json(json.dumps(value))) == paper


def test_the_markdown_has_the_same_rows_with_special_characters_escaped(folder: Path, tmp_path: Path) -> None:
    table = write_leaderboard(folder, tmp_path / "out")[0][1].read_text(encoding="utf-8")
    lines = [line for line in table.splitlines() if any(name in line for name in ("| Holds", "| Leans", "| \\<img"))]
    assert (
        lines[0]
        == r"| 1 | Holds | 0.45 ± 0.07 | 0.45 ± 0.07 | 0.40, 1 failed | 100% \[100%, 100%\] | fit | labels | 2 | – |"
    )
    assert lines[1] == r"| 2 | Leans | 0.55 ± 0.07 | 0.28 ± 0.04 | – | 50% \[50%, 50%\] | fit | labels | 2 | – |"
    assert lines[2].startswith(r'| 3 | \<img src=x onerror="alert(1)"> \| \`a\` | 0.45 ± 0.07 | all 2 failed | – | – |')
    assert "- bad.json: The key \\`note\\` is unknown; remove it or correct its name." in table


def test_the_command_lists_the_files_it_wrote_and_the_entries_it_refused(folder: Path) -> None:
    done = CliRunner().invoke(app, ["leaderboard", str(folder)])
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [str(folder / "leaderboard.html"), str(folder / "leaderboard.md")]
    assert done.stderr == "refused bad.json: The key `note` is unknown; remove it or correct its name.\n"


def test_a_folder_without_entries_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"must hold entries, \*\.json or \*/entry\.json, and there is none\.$"):
        write_leaderboard(tmp_path, tmp_path)


def test_a_folder_of_invalid_entries_gives_a_page_that_says_so(tmp_path: Path) -> None:
    write_raw(tmp_path / "a.json", {})
    text = write_leaderboard(tmp_path, tmp_path)[0][0].read_text(encoding="utf-8")
    assert "No entry could be used." in text
    assert "The key `model` is missing." in text


def test_entry_check_accepts_valid_entries_and_explains_invalid_ones(folder: Path) -> None:
    good, bad = folder / "holds.json", folder / "bad.json"
    done = CliRunner().invoke(app, ["entry", "check", str(good)])
    assert (done.exit_code, done.stdout) == (0, f"{good}: Holds on discs, 6 runs. Accepted.\n")
    shutil.copy(bad, folder / "worse.json")
    done = CliRunner().invoke(app, ["entry", "check", str(good), str(bad), str(folder / "worse.json")])
    assert isinstance(done.exception, UserError)
    assert str(done.exception) == "2 of 3 entries cannot be used, for the reasons above."
    assert f"{bad}: The key `note` is unknown; remove it or correct its name.\n" in done.stdout
