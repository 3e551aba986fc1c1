"""Output paths of commands, checked before any work begins.

All path arguments are declared `readable=False`, because Typer's own check prints a box of several lines. The code that
reads a file says in one sentence what is wrong with it.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from perturb.files import require_writable, write_json

STANDARD_OUTPUT = Path("-")


def for_file(parameter: typer.CallbackParam, path: Path | None) -> Path | None:
    """Accept the path of a writable file; raise a UserError for anything else. A callback for Typer options."""
    if path is not None:
        require_writable(path, _name_of(parameter))
    return path


def for_folder(parameter: typer.CallbackParam, path: Path | None) -> Path | None:
    """Accept the path of a folder, existing or not, that files can be written to; see `for_file`."""
    if path is not None:
        require_writable(path, _name_of(parameter), folder=True)
    return path


def for_json(parameter: typer.CallbackParam, path: Path | None) -> Path | None:
    """Accept the path of a writable file, or `-` for standard output; see `for_file`."""
    return path if path == STANDARD_OUTPUT else for_file(parameter, path)


def put_json(path: Path | None, content: Any) -> bool:  # noqa: ANN401
    """Write a command's output as JSON, if requested.

    Args:
        path: value of `JsonOption`; None: write nothing.
        content: anything that JSON can represent.

    Returns:
        Whether to print human-readable output too; False if standard output is taken by the JSON.

    """
    if path == STANDARD_OUTPUT:
        print(json.dumps(content, ensure_ascii=False, indent=2))
        return False
    if path is not None:
        write_json(path, content)
    return True


def from_here(path: Path) -> Path:
    """Return a path in its shortest form: relative to the current folder if it is below it, else unchanged."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _name_of(parameter: typer.CallbackParam) -> str:
    """Return the name of an option as the user typed it, or the name of an argument in capital letters."""
    return next((name for name in parameter.opts if name.startswith("-")), (parameter.name or "").upper())


ConfigArgument = Annotated[Path, typer.Argument(readable=False, help="An experiment, for example configs/quickstart.toml.")]
OriginalOption = Annotated[
    Path | None,
    typer.Option(readable=False, help="The authors' dSprites or Shapes3D file, to use instead of our renderer's images."),
]
JsonOption = Annotated[
    Path | None,
    typer.Option(
        "--json", readable=False, help="Write the output as JSON to this file; - is standard output.", callback=for_json
    ),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a setting, for example restarts.num=3; repeatable."),
]
ArtifactsOption = Annotated[
    Path, typer.Option(readable=False, help="Folder for run directories and results.", callback=for_folder)
]
