"""Untrusted text is escaped for every format that results are written in."""

import io
from pathlib import Path

import pytest
from markdown_read import READER, plain
from matplotlib.figure import Figure
from rich.console import Console

from perturb.escapes import greek_spelled_out, in_csv, in_figure, in_line, in_markdown, in_markdown_code, in_terminal

TEXTS = [
    "plain",
    "snake_case_name and _edge_",
    "<script>alert(1)</script> &lt;b&gt;",
    "a|b||c",
    "`code` ``more``",
    "*bold* **strong** ~~gone~~",
    "[link](http://x) ![picture](x) [^1] <http://x>",
    "# heading",
    "- point",
    "+ point",
    "1. first",
    "23) first",
    "---",
    "===",
    "> quote",
    "a\\b\\",
    "$x$",
    "+0.12",
    "−0.25 [−0.30, −0.20]",
    "[1, 2](http://x)",
    "[1, 2]: http://x",
    "p <0.001, a < b > c <a>",
    "AT&T &copy; &#35; a & b",
]
TWO_LINES = "two\nlines\r\n\n# with a heading"


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("around", ["{}", "## {}", "- {}", "words\n{}", "| a | b |\n| --- | --- |\n| {} | 2 |"])
def test_escaped_text_renders_literally_in_every_markdown_context(text: str, around: str) -> None:
    tokens = READER.parse(around.format(in_markdown(text)))
    shown = [plain(token) for token in tokens if token.type == "inline"]
    assert text in [line.removeprefix("words ") for line in shown]
    assert not [token.type for token in tokens if token.type in ("html_block", "hr", "fence", "blockquote_open")]


@pytest.mark.parametrize("text", [*TEXTS, TWO_LINES, "`", ""])
def test_a_code_span_renders_its_text_literally(text: str) -> None:
    (inline,) = (token for token in READER.parse(f"a {in_markdown_code(text)} b") if token.type == "inline")
    _, code, _ = inline.children or []
    assert code.type == "code_inline"
    assert code.content.replace("\\|", "|").strip() == " ".join(text.split())


def test_numbers_stay_readable_in_the_markdown_source() -> None:
    assert in_markdown("−0.25 [−0.30, −0.20], p <0.001") == "−0.25 [−0.30, −0.20], p <0.001"


def test_text_with_line_breaks_and_control_codes_stays_on_one_line() -> None:
    assert in_markdown(TWO_LINES) == r"two lines \# with a heading"
    assert in_markdown("a\x1b[31mb") == r"a\\x1b\[31mb"
    assert in_line("a\tb\n\x1b[31m\udcff\u202e") == r"a\tb\n\x1b[31m\udcff\u202e"
    assert in_line(Path("β/ü")) == "β/ü"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_text_that_a_spreadsheet_would_evaluate_gets_a_leading_apostrophe(text: str) -> None:
    assert in_csv(text) == f"'{text}"


def test_numbers_and_harmless_text_are_written_to_csv_unchanged() -> None:
    assert [in_csv(value) for value in (-0.5, 3, None, "β-VAE", "a=b")] == [-0.5, 3, None, "β-VAE", "a=b"]


@pytest.mark.parametrize("text", ["[red]a[/red]", "[/x]", ":warning:", "\\[b]", "a\\"])
def test_a_terminal_shows_markup_and_emoji_codes_literally(text: str) -> None:
    console = Console(file=io.StringIO(), width=80)
    console.print(in_terminal(text))
    assert console.file.getvalue() == f"{text}\n"


@pytest.mark.parametrize("text", ["$", r"$\frac{$", "a$b$c", r"\$x$"])
def test_text_with_dollar_signs_can_be_drawn_in_a_figure(text: str, tmp_path: Path) -> None:
    figure = Figure()
    figure.subplots().set_title(in_figure(text))
    figure.savefig(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ψ, β and a \\ stay", "ψ, β and a \\ stay"),
        ("two\nlines\r\n", "two\\nlines\\r\\n"),
        ("\x1b[31mred\x1b]52;c;eA==\x07", "\\x1b[31mred\\x1b]52;c;eA==\\x07"),
        ("\u202eturned", "\\u202eturned"),
        ("\udcff", "\\udcff"),
    ],
)
def test_only_unprintable_characters_are_escaped(text: str, shown: str) -> None:
    assert in_line(text) == shown


def test_long_text_is_truncated() -> None:
    assert in_line("x" * 100, 5) == "xxxxx…"


def test_greek_letters_are_spelled_out_and_other_text_is_unchanged() -> None:
    assert greek_spelled_out("m_ψ of β-VAE_Σ, 3 × 4, naïve, 北") == "m_psi of beta-VAE_Sigma, 3 × 4, naïve, 北"
