"""Many entries in one place: a page that can be sorted, and the same as Markdown."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment

from perturb.entries.entry import HOW, NOT_KNOWN, Entry, could_see, rows_of, scores_of, seen_by
from perturb.entries.packaged import known_files, published_entries
from perturb.entries.rules import check_entry
from perturb.errors import UserError
from perturb.escapes import in_line, in_markdown
from perturb.files import write_text
from perturb.metrics import METRICS
from perturb.report.table import markdown_head, markdown_row
from perturb.report.tables import remarks, score
from perturb.report.words import interval, share, signed
from perturb.statistics.retained import Retained, retained
from perturb.statistics.scores import BASELINE, Row

PAGE, TABLE = "leaderboard.html", "leaderboard.md"
BUILT_IN = "built in"
"""Stands where a file's name would."""
FILTERS = {"images": "images alone", "pairs": "pairs of images", "labels": "labels", NOT_KNOWN: "not known"}
"""Boxes of the page's filter by what a model's training saw, in their order."""
LONGEST = 12
"""Characters of a hash that are shown."""


@dataclass(frozen=True)
class Line:
    """An entry in one of the tables."""

    entry: Entry
    file: str
    rows: dict[str, Row]
    """Rows by variant."""
    kept: dict[str, Retained]
    """Shares that are kept by variant, without the original; where there are pairs."""


@dataclass(frozen=True)
class Board:
    """Entries that can be compared: the same images, the same metric with the same settings."""

    dataset: str
    epsilon: float
    images: str
    """The suffix that tells this benchmark from others of its name: the beginning of a hash."""
    metric: str
    settings: str
    variants: list[str]
    lines: list[Line]

    @property
    def title(self) -> str:
        """The name as a heading has it."""
        return f"{self.dataset}, ε = {self.epsilon:g}: {METRICS[self.metric].title}"


@dataclass(frozen=True)
class Refused:
    """A file that is no entry."""

    file: str
    reasons: list[str]


def write_leaderboard(folder: Path, out: Path, *, built_in: bool = True) -> tuple[list[Path], list[Refused]]:
    """Write leaderboard.html and leaderboard.md of all entries of a folder.

    Args:
        folder: holds `*.json`, or folders with an entry.json each.
        out: where the two files go.
        built_in: put the built-in methods that come with the package beside those with which they can be compared.

    Returns:
        The two files, and what was refused; they say so too.

    Raises:
        UserError: there is no file that could be an entry.

    """
    entries, refused = entries_in(folder)
    boards = beside_built_in(entries) if built_in else boards_of(entries)
    write_text(out / PAGE, as_page(boards, refused))
    write_text(out / TABLE, as_markdown(boards, refused))
    return [out / PAGE, out / TABLE], refused


def entries_in(folder: Path) -> tuple[dict[str, Entry], list[Refused]]:
    """The entries of a folder by their files' names, and the files that are none; errors as `write_leaderboard`."""
    paths = [*sorted(folder.glob("*.json")), *sorted(folder.glob("*/entry.json"))]
    if not paths:
        raise UserError(f"{folder} must hold entries, *.json or */entry.json, and there is none.")
    entries, refused = {}, []
    for path in paths:
        name = path.relative_to(folder).as_posix()
        entry, reasons = check_entry(path, known_files())
        if not name.isprintable():
            refused.append(Refused(in_line(name), ["The file's name must be printable UTF-8; rename it."]))
        elif entry is None:
            refused.append(Refused(name, reasons))
        else:
            entries[name] = entry
    return entries, refused


def beside_built_in(entries: dict[str, Entry]) -> list[Board]:
    """The tables of some entries, with the built-in methods on the same images, by the same metrics and settings."""
    others = {f"{BUILT_IN}: {e.model} on {e.dataset.name}": e for e in published_entries() if e not in entries.values()}
    boards = boards_of(entries | others)
    return [board for board in boards if any(line.file in entries for line in board.lines)]


def boards_of(entries: dict[str, Entry]) -> list[Board]:
    """Entries sorted into tables, best first: by the metric on the modified images, else on the original."""
    groups: dict[tuple[str, ...], list[tuple[str, Entry]]] = {}
    for file, entry in entries.items():
        for metric in entry.metrics:
            settings = json.dumps(metric.settings, sort_keys=True)
            key = (entry.dataset.name, *_images_of(entry), metric.name, settings)
            groups.setdefault(key, []).append((file, entry))
    order = list(METRICS)
    ranked = sorted(groups.items(), key=lambda group: (*group[0][:3], order.index(group[0][3]), group[0][4]))
    return [_board(key, members) for key, members in ranked]


def _images_of(entry: Entry) -> tuple[str, str]:
    """ε, and hashes of the original and, where it was scored, of what makes the modified images."""
    found = {file.variant: file.recipe_sha256 or file.images_sha256 for file in entry.dataset.files if file.draw == 0}
    return f"{entry.dataset.epsilon:g}", " ".join(found[v][:LONGEST] for v in (BASELINE, "modified") if v in found)


def _board(key: tuple[str, ...], members: Sequence[tuple[str, Entry]]) -> Board:
    dataset, epsilon, images, metric, settings = key
    lines = [_line(file, entry, metric) for file, entry in members]
    variants = list(dict.fromkeys(variant for line in lines for variant in line.rows))
    sign = -1 if METRICS[metric].higher_is_better else 1
    lines.sort(key=lambda line: (_rank(line, sign), line.entry.model))
    return Board(dataset, float(epsilon), images, metric, settings, variants, lines)


def _rank(line: Line, sign: int) -> tuple[bool, float]:
    row = line.rows.get("modified", line.rows[BASELINE])
    return row.mean is None, sign * (row.mean or 0.0)


def _line(file: str, entry: Entry, metric: str) -> Line:
    scores = scores_of(entry)
    rows = {row.variant: row for row in rows_of(entry) if row.metric == metric}
    shares = {v: retained(scores, metric, v) for v in rows if v != BASELINE}
    return Line(entry, file, rows, {variant: found for variant, found in shares.items() if found is not None})


def as_markdown(boards: Iterable[Board], refused: Sequence[Refused]) -> str:
    """A table for each board, then what was refused."""
    parts = ["# Leaderboard", ""]
    for board in boards:
        head = ["Model", *board.variants, "kept", "How", "Could see", "Runs"]
        parts += [f"## {in_markdown(board.title)}", "", *markdown_head(head)]
        for line in board.lines:
            cells = [", ".join(_told(line.rows[v])) if v in line.rows else "–" for v in board.variants]
            about = [line.entry.how, seen_in_words(line.entry), str(len(line.entry.seeds))]
            parts += [markdown_row([line.entry.model, *cells, retained_in_words(line.kept.get("modified")), *about])]
        parts += [
            "",
            in_markdown(
                f"Images {board.images}; settings {board.settings}. Kept: share on the modified images, 95 % interval."
            ),
            "",
        ]
    parts += _markdown_of_refused(refused)
    return "\n".join(parts) + "\n"


def _markdown_of_refused(refused: Sequence[Refused]) -> list[str]:
    if not refused:
        return []
    return ["## Refused", "", *[f"- {in_markdown(each.file)}: {in_markdown(' '.join(each.reasons))}" for each in refused]]


def seen_in_words(entry: Entry) -> str:
    """`labels`, or `images, as stated (could: labels)` where an author says something else than what is known."""
    could, seen = could_see(entry), seen_by(entry)
    return could if seen == could else f"{seen}, as stated (could: {could})"


def retained_in_words(found: Retained | None) -> str:
    """A share and its interval as a cell shows them, for example `59% [52%, 66%]`."""
    if found is None or found.share is None:
        return "–"
    if found.low is None or found.high is None:
        return share(found.share)
    return f"{share(found.share)} [{share(found.low)}, {share(found.high)}]"


def _told(row: Row) -> list[str]:
    """The score, and what must be read with it."""
    return [score(row), *remarks(row)]


def compared_in_words(row: Row) -> str:
    """`−0.25 [−0.30, −0.20]`, of a row with a difference; a line may end before the interval and not in it."""
    unbroken = interval(row).replace(" ", "\u00a0")
    return signed(row.difference) + (f" {unbroken}" if row.ci_low is not None else "")


def as_page(boards: Sequence[Board], refused: Sequence[Refused]) -> str:
    """HTML that asks nobody for anything; columns are sorted by buttons in their heads, and boxes hide lines."""
    template = files("perturb.report").joinpath("leaderboard.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    seen = dict.fromkeys(seen_by(line.entry) for board in boards for line in board.lines)
    return environment.from_string(template).render(
        boards=[
            {
                "title": b.title,
                "board": b,
                "first": _first(b),
                "dated": any(line.entry.date for line in b.lines),
                "lines": [_cells(b, line) for line in b.lines],
            }
            for b in boards
        ],
        filters={seen_by_class(name): words for name, words in FILTERS.items() if name in seen},
        refused=refused,
        how=HOW,
    )


def seen_by_class(seen: str) -> str:
    """A key of FILTERS as the page's style names it."""
    return seen.replace(" ", "-")


def _first(board: Board) -> str:
    """Return how the column is sorted that decides the order at first, as `aria-sort` has it."""
    return "descending" if METRICS[board.metric].higher_is_better else "ascending"


def _cells(board: Board, line: Line) -> dict[str, Any]:
    """Return what a table shows of an entry: for each variant the score, what it must be read with, and what to sort by."""
    variants = []
    for variant in board.variants:
        row, head = line.rows.get(variant), variant.replace("_", " ")
        if row is None:
            variants.append({"head": head, "text": "–", "details": [], "key": ""})
            continue
        compared = [] if row.difference is None else [compared_in_words(row)]
        variants.append(
            {
                "head": head,
                "text": score(row),
                "details": compared + remarks(row),
                "key": "" if row.mean is None else row.mean,
            }
        )
    found, seen = line.kept.get("modified"), seen_by(line.entry)
    links = (("paper", line.entry.paper), ("code", line.entry.code))
    return {
        "links": [(name, link) for name, link in links if link is not None],
        "entry": line.entry,
        "file": line.file,
        "variants": variants,
        "built_in": line.entry in published_entries(),
        "seen": seen,
        "seen_class": seen_by_class(seen),
        "could": "" if seen == (could := could_see(line.entry)) else could,
        "kept": retained_in_words(found),
        "kept_key": "" if found is None or found.share is None else found.share,
    }
