"""Places that commands write to, looked at before any work begins.

All paths among the arguments are `readable=False` to typer, whose own look ends in a box of several lines: who reads a file
says in one sentence what is wrong with it.
"""

from pathlib import Path
from typing import Annotated

import typer

from perturb.files import require_writable


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


def _name_of(parameter: typer.CallbackParam) -> str:
    """Return what a user has typed: the name of an option, or of an argument in capital letters."""
    return next((name for name in parameter.opts if name.startswith("-")), (parameter.name or "").upper())


ConfigArgument = Annotated[Path, typer.Argument(readable=False, help="An experiment, for example configs/quickstart.toml.")]
OriginalOption = Annotated[
    Path | None,
    typer.Option(readable=False, help="The authors' file of dSprites or Shapes3D, instead of our renderer's images."),
]
ArtifactsOption = Annotated[
    Path, typer.Option(readable=False, help="Folder for run directories and results.", callback=for_folder)
]
