"""The way in which codes hold the factors on each variant: measured where a run is scored, shown next to its scores."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict

from perturb.analysis.axes import used_codes
from perturb.analysis.factor_directions import KINDS, LEAST_READABLE, STRAIGHT, Held, held_factors
from perturb.datasets import FactorGrid
from perturb.entries.entry import Entry, FactorOfRun
from perturb.metrics import Coded
from perturb.random.seeds import numpy_generator, some_of
from perturb.report.table import TextTable, plain_table
from perturb.report.words import listed, share, where

SAMPLE, FEWEST = 2_000, 100
"""Maximum and minimum number of images whose codes are examined."""
MOST_LATENTS = 1_000
"""Maximum number of latents, beyond which neighbours would take minutes."""
DECIMALS = 4
PENDING_FACTOR = Held(latent=0.1234, line=0.1234, readable=-0.1234)
"""Placeholder at least as long as any real value, like those of entries/entry.py."""
NOTE = (
    f"Shares of all factors of all models. Own latent: a factor explains at least {STRAIGHT:.0%} of the variance along a "
    "latent. Rotated: along another straight line of the code. Curved: along none, although neighbours in the code share "
    f"the factor. Missing: they do not (readable < {LEAST_READABLE})."
)


def factors_of_run(coded: Coded, grid: FactorGrid, *, seed: int) -> dict[str, Held] | None:
    """Measure how codes hold each factor, by its name; None if there are too few codes or too many latents, or none varies.

    Args:
        coded: The codes and factors that were scored.
        grid: The grid that the factors belong to.
        seed: Seed for drawing the images.

    """
    rng = numpy_generator(seed, "factors")
    rows = some_of(len(coded.codes), SAMPLE, rng)
    if len(rows) < FEWEST or coded.latents > MOST_LATENTS or used_codes(coded.codes[rows]).shape[1] == 0:
        return None
    held = held_factors(coded.codes[rows], coded.factors[rows], grid, rng)
    return {
        name: Held(*(round(number, DECIMALS) for number in (one.latent, one.line, one.readable)))
        for name, one in zip(grid.names, held, strict=True)
    }


def factors_of_entry(held: Mapping[str, Held] | None) -> dict[str, FactorOfRun] | None:
    """Return the measurements of a run in the form of entries."""
    return None if held is None else {name: FactorOfRun(**asdict(one)) for name, one in held.items()}


def factors_table(entry: Entry) -> TextTable | None:
    """Return a table with a line for each variant: the share of factors held in each way; None if nothing was measured."""
    counts = _counts(entry)
    if not counts:
        return None
    models = Counter(run.variant for run in entry.runs if run.factors is not None)
    lines = [
        [variant, *(share(kinds[kind] / kinds.total()) for kind in KINDS), str(models[variant])]
        for variant, kinds in counts.items()
    ]
    return plain_table(f"How codes of {entry.model} hold the factors", ["Images", *KINDS, "models"], lines, note=NOTE)


def factors_sentence(entry: Entry) -> str | None:
    """Return one sentence on the share of factors with a latent of their own on each variant; None if not measured."""
    parts = []
    for variant, kinds in _counts(entry).items():
        own, *others = ((kind, kinds[kind] / kinds.total()) for kind in KINDS)
        rest = [f"{share(part)} {kind}" for kind, part in others if part]
        words = "of the factors have a latent of their own " if not parts else ""
        parts.append(f"{share(own[1])} {words}{where(variant)}" + (f" ({listed(rest)})" if rest else ""))
    return f"In the codes of {entry.model}, {listed(parts)}." if parts else None


def _counts(entry: Entry) -> Mapping[str, Counter[str]]:
    """Count, for each variant, the factors of all models that are held in each way."""
    found: dict[str, Counter[str]] = {}
    for run in entry.runs:
        for one in (run.factors or {}).values():
            found.setdefault(run.variant, Counter())[Held(one.latent, one.line, one.readable).kind] += 1
    return found
