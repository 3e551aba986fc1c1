"""Authors and licences of datasets."""

from dataclasses import dataclass

OURS = "Apache-2.0"
"""SPDX identifier of the licence of perturb, of everything that it renders, and of the authors' dSprites and Shapes3D."""
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Credit:
    """Authors of a ground truth, and the licence under which it may be used."""

    title: str
    licence: str = UNKNOWN
    url: str | None = None
    bibtex: str | None = None
    renderer: str | None = None
    """Differences between perturb's rendering and the authors' images."""
    limits: tuple[str, ...] = ()
    """Further limitations that users should know."""
