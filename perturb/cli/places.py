"""Places that commands write to, looked at before any work begins.

All paths among the arguments are `readable=False` to typer, whose own look ends in a box of several lines: who reads a file
says in one sentence what is wrong with it.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from perturb.files import require_writable, write_json

STANDARD_OUTPUT = Path("-")


def for_file(parameter: typer.CallbackParam, path: Path | None) -> Path | None:
    """Accept the path of a file that can be written; anything else is a UserError. A callback of typer's options."""
    if path is not None:
        require_writable(path, _name_of(parameter))
    return path


def for_folder(parameter: typer.CallbackParam, path: Path | None) -> Path | None:
    """Accept the path of a folder, existing or not, that files can be written to; as `for_file`."""
    if path is not None:
        require_writable(path, _name_of(parameter), folder=True)
    return path


def for_json(parameter: typer.CallbackParam, path: Path | None) -> Path | None:
    """Accept the path of a file that can be written, or `-` for the standard output; as `for_file`."""
    return path if path == STANDARD_OUTPUT else for_file(parameter, path)


def put_json(path: Path | None, content: Any) -> bool:  # noqa: ANN401
    """Write what a command says as JSON, if it was asked to.

    Args:
        path: what `JsonOption` was given; None: write nothing.
        content: anything that JSON knows.

    Returns:
        Whether people are to read it too: not where the standard output is for a program.

    """
    if path == STANDARD_OUTPUT:
        print(json.dumps(content, ensure_ascii=False, indent=2))
        return False
    if path is not None:
        write_json(path, content)
    return True


def from_here(path: Path) -> Path:
    """Return a path as short as it can be typed: relative to the current folder if it is below it, else as it is."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _name_of(parameter: typer.CallbackParam) -> str:
    """Return what a user has typed: the name of an option, or of an argument in capital letters."""
    return next((name for name in parameter.opts if name.startswith("-")), (parameter.name or "").upper())


ConfigArgument = Annotated[Path, typer.Argument(readable=False, help="An experiment, for example configs/quickstart.toml.")]
OriginalOption = Annotated[
    Path | None,
    typer.Option(readable=False, help="The authors' file of dSprites or Shapes3D, instead of our renderer's images."),
]
JsonOption = Annotated[
    Path | None,
    typer.Option(
        "--json", readable=False, help="Write the same as JSON into this file; - is the standard output.", callback=for_json
    ),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Another value for a setting, for example restarts.num=3; repeatable."),
]
ArtifactsOption = Annotated[
    Path, typer.Option(readable=False, help="Folder for run directories and results.", callback=for_folder)
]
