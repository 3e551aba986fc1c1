"""A column of an experiment: which images."""

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Column:
    """A variant of the images with one of its patterns."""

    variant: str
    """Kind of file, or name of an alternative m_ψ."""
    draw: int = 0
    """Number of the pattern."""

    @property
    def name(self) -> str:
        """`modified`; further patterns are `modified-2`, `modified-3`, …"""
        return f"{self.variant}-{self.draw + 1}" if self.draw else self.variant
