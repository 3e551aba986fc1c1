"""Variants of the images: one table holds everything that differs between them.

To add a variant, add a row here. If its pattern is of a new kind, also add a way of drawing it (perturb/benchmark/recipe.py)
and a stage that builds whatever draws it. Tables, figures, cards, configs and experiment plans read this table.
"""

import re
from dataclasses import dataclass
from typing import Literal

Variant = Literal[
    "original", "modified", "noise", "matched_noise", "untrained", "redrawn_curve", "redrawn_scalar", "untrained_in_span",
    "redrawn_curve_in_span",
]  # fmt: skip
"""Names of the variants, the keys of `VARIANTS`."""
Redraw = Literal["both", "curve", "scalar"]
"""The part of a trained m_ψ that a control draws anew and never trains: the scalar s(w), the curve g(s), or both."""


@dataclass(frozen=True, kw_only=True)
class Control:
    """The difference between a control's pattern and the trained pattern that it matches in variance and roughness."""

    redraw: Redraw
    beyond: str | None = None
    """The control's name in a sentence about what training m_ψ does beyond it; given if none of the control is trained."""
    in_span: bool = False
    """True if the redrawn curve is confined to the images' own directions (perturb.perturbation.span)."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """One row of the table of variants."""

    where: str
    """The phrase that follows "MIG falls by 0.57" in a sentence: "on the modified images"."""
    meaning: str
    """The change to the images, as a dataset card describes it; δ is the pattern."""
    colour: str
    """Its colour in all figures, distinct for colour-blind readers and in print (Paul Tol's schemes, yellow darkened)."""
    marker: str
    """Its marker in all figures; it carries the same information as the colour."""
    pattern: Literal["none", "trained", "control", "noise", "matched noise"]
    """The kind of its pattern: none, that of a trained network, that of a network matched to a trained one, noise as large
    as ε allows, or noise with a trained pattern's variance."""
    control: Control | None = None
    """Given if the pattern is a control."""


VARIANTS: dict[Variant, Facts] = {
    "original": Facts(
        where="on the original", meaning="the images unchanged.", colour="#4477aa", marker="o", pattern="none"
    ),
    "modified": Facts(
        where="on the modified images",
        meaning="δ is a trained pattern in [−1, 1], a function of the factors through a single neuron.",
        colour="#ee6677", marker="D", pattern="trained",
    ),
    "noise": Facts(
        where="under noise of the same maximum",
        meaning="δ is uniform in [−1, 1], independent for each pixel of each image.",
        colour="#228833", marker="s", pattern="noise",
    ),
    "matched_noise": Facts(
        where="under noise of the same variance",
        meaning="δ has one of two values, independent for each pixel and image, and the trained pattern's variance.",
        colour="#66ccee", marker="P", pattern="matched noise",
    ),
    "untrained": Facts(
        where="under an untrained pattern",
        meaning="δ is a pattern of the same network that was never trained, as strong and as rough as the trained one.",
        colour="#aa8800", marker="^", pattern="control", control=Control(
            redraw="both", beyond="an untrained pattern of the same variance and roughness"
        ),
    ),
    "redrawn_curve": Facts(
        where="under the trained scalar with an untrained curve",
        meaning="δ follows the trained scalar of the factors along a curve that was never trained, matched likewise.",
        colour="#aa3377", marker="<", pattern="control", control=Control(redraw="curve"),
    ),
    "redrawn_scalar": Facts(
        where="under the trained curve over an untrained scalar",
        meaning="δ follows the trained curve over a scalar of the factors that was never trained, matched likewise.",
        colour="#bbbbbb", marker=">", pattern="control", control=Control(redraw="scalar"),
    ),
    "untrained_in_span": Facts(
        where="under an untrained pattern that repaints what is there",
        meaning="as untrained, with δ confined to the directions in which the images themselves vary.",
        colour="#663300", marker="X", pattern="control", control=Control(
            redraw="both", in_span=True,
            beyond="an untrained pattern of the same variance and roughness that repaints what is there",
        ),
    ),
    "redrawn_curve_in_span": Facts(
        where="under the trained scalar with an untrained curve that repaints what is there",
        meaning="as redrawn_curve, with δ confined to the directions in which the images themselves vary.",
        colour="#332288", marker="p", pattern="control", control=Control(redraw="curve", in_span=True),
    ),
}  # fmt: skip

CONTROLS = {name: facts.control for name, facts in VARIANTS.items() if facts.control is not None}
"""Variants whose patterns are controls for the trained ones."""
UNTRAINED = tuple(name for name, control in CONTROLS.items() if control.beyond is not None)
"""Controls with no trained part: modified minus one of them is what training m_ψ adds."""
DRAWN = ("modified", *CONTROLS)
"""Variants whose pattern a network draws."""
NOISES = tuple(name for name, facts in VARIANTS.items() if facts.pattern in ("noise", "matched noise"))
"""Variants whose pattern is drawn anew for every image."""
MATCHED_NOISES = tuple(name for name, facts in VARIANTS.items() if facts.pattern == "matched noise")
"""Noises with the variance of a trained pattern."""
FOLLOWING = (*CONTROLS, *MATCHED_NOISES)
"""Variants derived from a trained pattern, which therefore have at most as many patterns as there are trained ones."""
ONE_PATTERN = tuple(name for name in VARIANTS if name not in (*DRAWN, *MATCHED_NOISES))
"""Variants that need only one file: noise is drawn anew for every image."""


def kind_of(variant: str) -> str:
    """Return the kind of a variant's files; for an alternative m_ψ, which has its own name, that is `modified`."""
    return variant if variant in VARIANTS else "modified"


def pattern_in_name(stem: str, variant: str) -> int | None:
    """Return the pattern number in a file's name: 0 for `modified` or `mine-modified`, 1 for `modified-2`.

    Return None for any other name.
    """
    match = re.search(rf"(?:^|-){variant}(?:-(\d{{1,3}}))?$", stem)
    return match and max(0, int(match[1] or 1) - 1)


@dataclass(frozen=True, order=True)
class VariantPattern:
    """A variant of the images with one of its patterns."""

    variant: str
    """A key of `VARIANTS`, or the name of an alternative m_ψ."""
    pattern: int = 0
    """Number of the pattern, from 0."""

    @property
    def name(self) -> str:
        """Return `modified` for the first pattern, and `modified-2`, `modified-3`, … for further ones."""
        return f"{self.variant}-{self.pattern + 1}" if self.pattern else self.variant
