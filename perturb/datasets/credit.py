"""The authors of images, and the licence under which they may be used."""

from dataclasses import dataclass

OURS = "Apache-2.0"
"""SPDX name of the licence of perturb, of the authors' dSprites and Shapes3D, and of what perturb renders."""
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Credit:
    """The authors of a ground truth, and the licence under which it may be used."""

    title: str
    licence: str = UNKNOWN
    url: str | None = None
    bibtex: str | None = None
    renderer: str | None = None
    """The difference between perturb's rendering and the authors' images."""
    limits: tuple[str, ...] = ()
    """Anything else that users must know."""
