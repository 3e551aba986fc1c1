"""Parses Markdown as a reader sees it: CommonMark with raw HTML, and GitHub's tables and strikethrough."""

from markdown_it import MarkdownIt
from markdown_it.token import Token

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def html_of(text: str) -> str:
    """Render a Markdown text as HTML."""
    return READER.render(text)


def tables_of(text: str) -> dict[str, list[dict[str, str]]]:
    """Tables by heading, with the cells of each row by column. A cell with anything but plain text is an error."""
    tables: dict[str, list[dict[str, str]]] = {}
    heading, row, rows = "", list[str](), list[list[str]]()
    inside = ""
    for token in READER.parse(text):
        inside = token.type if token.nesting == 1 else inside
        if token.type == "table_open":
            rows = []
        elif token.type == "tr_open":
            row = []
            rows.append(row)
        elif token.type == "table_close":
            header, *body = rows
            tables[heading] = [dict(zip(header, line, strict=True)) for line in body]
        elif token.type == "inline" and inside == "heading_open":
            heading = plain(token)
        elif token.type == "inline" and inside in ("th_open", "td_open"):
            row.append(plain(token))
    return tables


def plain(token: Token) -> str:
    """The text of a paragraph, heading or cell, which must contain nothing but text."""
    children = token.children or []
    assert {child.type for child in children} <= {"text", "text_special", "softbreak"}, token.content
    return "".join(" " if child.type == "softbreak" else child.content for child in children)
