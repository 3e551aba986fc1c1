"""A leaderboard of many entries: a sortable page, and the same as Markdown."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment

from perturb.config.objectives import METHODS
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
from perturb.variants import VARIANTS

PAGE, TABLE = "leaderboard.html", "leaderboard.md"
BUILT_IN = "built in"
"""Shown instead of a file's name for built-in methods."""
FILTERS = {"images": "images alone", "pairs": "pairs of images", "labels": "labels", NOT_KNOWN: "not known"}
"""Labels of the page's filter by what a model saw in training, in their order."""
LONGEST = 12
"""Number of characters of a hash to show."""


@dataclass(frozen=True)
class Line:
    """An entry in one of the tables."""

    entry: Entry
    file: str
    rows: dict[str, Row]
    """Rows by variant."""
    kept: dict[str, Retained]
    """Retained shares by variant, without the original and without variants that have no pairs."""


@dataclass(frozen=True)
class Board:
    """Comparable entries: on the same images, by the same metric with the same settings."""

    dataset: str
    epsilon: float
    images: str
    """Beginnings of the images' hashes, which distinguish this benchmark from others of the same name."""
    metric: str
    settings: str
    variants: list[str]
    lines: list[Line]

    @property
    def title(self) -> str:
        """The board's heading."""
        return f"{self.dataset}, ε = {self.epsilon:g}: {METRICS[self.metric].title}"


@dataclass(frozen=True)
class Refused:
    """A file that is not a valid entry."""

    file: str
    reasons: list[str]


def write_leaderboard(folder: Path, out: Path, *, built_in: bool = True) -> tuple[list[Path], list[Refused]]:
    """Write leaderboard.html and leaderboard.md for all entries in a folder.

    Args:
        folder: Folder with `*.json`, or with folders that contain an entry.json each.
        out: Folder for the two files.
        built_in: Whether to include the package's built-in methods where they can be compared.

    Returns:
        The two files, and the refused files, which the leaderboard lists too.

    Raises:
        UserError: If there is no file that could be an entry.

    """
    entries, refused = entries_in(folder)
    boards = beside_built_in(entries) if built_in else boards_of(entries)
    write_text(out / PAGE, as_page(boards, refused))
    write_text(out / TABLE, as_markdown(boards, refused))
    return [out / PAGE, out / TABLE], refused


def entries_in(folder: Path) -> tuple[dict[str, Entry], list[Refused]]:
    """Return a folder's entries by file name, and the files that are not valid entries; errors as `write_leaderboard`."""
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
    """Build the tables of some entries, with the built-in methods on the same images, metrics and settings."""
    others = {f"{BUILT_IN}: {e.model} on {e.dataset.name}": e for e in published_entries() if e not in entries.values()}
    boards = boards_of(entries | others)
    return [board for board in boards if any(line.file in entries for line in board.lines)]


def boards_of(entries: dict[str, Entry]) -> list[Board]:
    """Sort entries into tables, best first: by the metric on the modified images, or else on the original."""
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
    """Return ε, and hashes of the original images and, if scored, of the recipe of the modified images."""
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
    """Format a table for each board, then the list of refused files."""
    parts = ["# Leaderboard", ""]
    for board in boards:
        head = ["Rank", "Model", *board.variants, "kept", "How", "Could see", "Seeds", "Date"]
        parts += [f"## {in_markdown(board.title)}", "", *markdown_head(head)]
        for rank, line in enumerate(board.lines, 1):
            cells = [", ".join(_told(line.rows[v])) if v in line.rows else "–" for v in board.variants]
            date = str(line.entry.date or "–")
            about = [line.entry.how, seen_in_words(line.entry), str(len(line.entry.seeds)), date]
            parts += [
                markdown_row([str(rank), line.entry.model, *cells, retained_in_words(line.kept.get("modified")), *about])
            ]
        parts += [
            "",
            in_markdown(
                f"Images {board.images}; settings: {settings_in_words(board.settings)}. "
                "Kept: share on the modified images, 95 % interval."
            ),
            "",
        ]
    parts += _markdown_of_refused(refused)
    return "\n".join(parts) + "\n"


def _markdown_of_refused(refused: Sequence[Refused]) -> list[str]:
    if not refused:
        return []
    return ["## Refused", "", *[f"- {in_markdown(each.file)}: {in_markdown(' '.join(each.reasons))}" for each in refused]]


def settings_in_words(settings: str) -> str:
    """Format a metric's settings, a JSON object, as `num_bins 20, num_train 10,000`."""
    told = [f"{name} {value:,}" if type(value) is int else f"{name} {value}" for name, value in json.loads(settings).items()]
    return ", ".join(told) or "none"


def paper_of(entry: Entry) -> str | None:
    """Return the address of an entry's paper: the author's, or that of the method if an experiment of perturb trained it."""
    objective = entry.settings.get("objective") if entry.how == "pipeline" else None
    kind = objective.get("kind") if isinstance(objective, dict) else None
    return entry.paper or (METHODS[kind].paper if isinstance(kind, str) and kind in METHODS else None)


def seen_in_words(entry: Entry) -> str:
    """Format what a model saw: `labels`, or `images, as stated (could: labels)` if the author's statement differs."""
    could, seen = could_see(entry), seen_by(entry)
    return could if seen == could else f"{seen}, as stated (could: {could})"


def retained_in_words(found: Retained | None) -> str:
    """Format a share and its interval for a cell, for example `59% [52%, 66%]`."""
    if found is None or found.share is None:
        return "–"
    if found.low is None or found.high is None:
        return share(found.share)
    return f"{share(found.share)} [{share(found.low)}, {share(found.high)}]"


def _told(row: Row) -> list[str]:
    """Return the score with the remarks that must be read with it."""
    return [score(row), *remarks(row)]


def compared_in_words(row: Row) -> str:
    """Format a row's difference as `−0.25 [−0.30, −0.20]`; a line can break before the interval but not within it."""
    unbroken = interval(row).replace(" ", "\u00a0")
    return signed(row.difference) + (f" {unbroken}" if row.ci_low is not None else "")


def as_page(boards: Sequence[Board], refused: Sequence[Refused]) -> str:
    """Render self-contained HTML, with buttons in the header to sort columns and checkboxes to hide rows."""
    template = files("perturb.report").joinpath("leaderboard.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    seen = dict.fromkeys(seen_by(line.entry) for board in boards for line in board.lines)
    return environment.from_string(template).render(
        boards=[
            {
                "title": b.title,
                "board": b,
                "first": _first(b),
                "settings": settings_in_words(b.settings),
                "variants": [(v, VARIANTS[v].meaning) for v in b.variants if v in VARIANTS],
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
    """Return the CSS class for a key of FILTERS."""
    return seen.replace(" ", "-")


def _first(board: Board) -> str:
    """Return the `aria-sort` value of the column that determines the initial order."""
    return "descending" if METRICS[board.metric].higher_is_better else "ascending"


def _cells(board: Board, line: Line) -> dict[str, Any]:
    """Return what a table shows of an entry: for each variant the score, its remarks and its sort key."""
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
    links = (("paper", paper_of(line.entry)), ("code", line.entry.code))
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
