"""MkDocs hooks that make the site a view of the repository.

Pages keep their paths, so that a link means the same in the repository and on the site. The site contains the pages of the
navigation and, recursively, everything that they link to: documents and notebooks as pages, source files and folders as
listings, and other files unchanged.
"""

import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

LANGUAGES = {".py": "python", ".toml": "toml", ".yaml": "yaml", ".yml": "yaml", "Containerfile": "docker"}
"""Languages of source files by suffix or by name. They are shown as pages, because browsers would download them."""
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
FENCE = re.compile(r"`{3,}")


class Listing(File):
    """A page generated from something other than Markdown: a notebook, a source file or a folder."""

    def is_documentation_page(self) -> bool:
        """Return True. MkDocs would decide by the name, which does not end in .md."""
        return True


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Replace the files below docs/ by those of the site."""
    root = Path(config.config_file_path).parent
    found = [file for file in files if file.src_dir != config.docs_dir]
    waiting, seen = [*_in_nav(config.nav)], set()
    while waiting:
        uri = waiting.pop()
        if uri in seen:
            continue
        seen.add(uri)
        if (root / uri).exists():  # MkDocs reports broken links, with the page
            file = _file(root, uri, config)
            found.append(file)
            waiting += _targets(file)
    return Files(found)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Exclude pages outside the navigation from the search, because they would swamp its results."""
    if page.file.src_uri not in _in_nav(config.nav):
        page.meta.setdefault("search", {"exclude": True})
    return markdown


def _in_nav(nav: object) -> Iterator[str]:
    """Yield the paths of the pages in a navigation of nested lists and dicts by title."""
    if isinstance(nav, str):
        yield nav
    elif isinstance(nav, dict | list):
        for part in nav.values() if isinstance(nav, dict) else nav:
            yield from _in_nav(part)


def _file(root: Path, uri: str, config: MkDocsConfig) -> File:
    path = root / uri
    language = LANGUAGES.get(path.suffix or path.name)
    if path.is_dir():
        written, target = _folder(path, uri), f"{uri}/index.html"
    elif path.suffix == ".ipynb":
        written, target = _notebook(path, uri), f"{uri}.html"
    elif language:
        written, target = f"# {path.name}\n\n`{uri}`\n\n{_fenced(path.read_text('utf-8'), language)}\n", f"{uri}.html"
    else:
        return File(uri, str(root), config.site_dir, config.use_directory_urls)
    file = Listing(uri, None, config.site_dir, config.use_directory_urls, dest_uri=target)
    file.content_string = written
    return file


def _targets(file: File) -> Iterator[str]:
    """Yield the repository paths that a page links to."""
    if file.is_documentation_page():
        for target in LINK.findall(file.content_string):
            if ":" not in target:
                yield posixpath.normpath(posixpath.join(posixpath.dirname(file.src_uri), target))


def _folder(path: Path, uri: str) -> str:
    """Return a page that lists a folder's source files with links."""
    names = sorted(file.name for file in path.iterdir() if file.suffix in LANGUAGES)
    return "\n".join([f"# {uri}/", "", *(f"- [{name}]({path.name}/{name})" for name in names), ""])


def _notebook(path: Path, uri: str) -> str:
    """Return a page with a notebook's cells, without outputs, which are not in the repository."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    shown = [_fenced(text, "python") if kind == "code" else text
             for kind, text in ((cell["cell_type"], "".join(cell["source"])) for cell in cells)]  # fmt: skip
    download = f"This page is the notebook `{uri}` of the repository; open it with `jupyter lab {uri}`."
    return "\n\n".join([shown[0], download, *shown[1:]]) + "\n"


def _fenced(text: str, language: str) -> str:
    """Return a code block with a fence longer than any run of backticks in the text."""
    fence = "`" * max([3, *(len(run) + 1 for run in FENCE.findall(text))])
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
