"""A test of the thesis's Propositions 1 to 3: rotating a code only changes the ELBO if the posteriors are diagonal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from perturb.analysis.deterministic_elbo import precision
from perturb.analysis.precision import rotation
from perturb.analysis.rotation import (
    Bend,
    elbo,
    evidence,
    largest_cosine_and_mixing,
    turned,
    with_orthogonal_columns,
)
from perturb.instruments.instrument import Answer, Instrument, Settings
from perturb.instruments.subject import Subjects
from perturb.random.seeds import numpy_generator
from perturb.report import style
from perturb.report.section import Picture, Section
from perturb.report.table import TextTable, plain_table

ANGLES = np.arange(0, 91, 7.5)
"""Rotation angles of codes, in degrees."""
IMAGES, VARIANCE = 16, 0.02
"""Number of images per decoder, and variance of its likelihood."""
MATRICES, VALUES, LENGTHS = 1_000, 6, np.array([3.0, 2.0, 1.0])
"""Number of matrices of each kind for Proposition 1, their number of rows, and the lengths of orthogonal columns."""
NOTHING = 1e-5
"""Change in nats below which a difference counts as quadrature error."""
EVIDENCE, WHOLE, DIAGONAL = "log-likelihood", "ELBO, posterior turned too", "ELBO, diagonal posterior"
COLOURS = {EVIDENCE: "#777777", WHOLE: "#4477aa", DIAGONAL: "#cc3311"}
DISTINCT, EQUAL, RANDOM = "orthogonal, lengths 3, 2, 1", "orthogonal, lengths 1, 1, 1", "random"


@dataclass(frozen=True)
class Kind:
    """Ranges of the two sides of Proposition 1, over matrices of one kind."""

    cosines: tuple[float, float]
    """Smallest and largest value over matrices of the largest |cos| between two columns."""
    mixings: tuple[float, float]
    """Smallest and largest value over matrices of the largest second entry of a row of |V|."""


def answer(subjects: Subjects, settings: Settings) -> Answer:
    """Rotate the codes of random decoders, and examine the singular vectors of random matrices."""
    curves = [_curves(numpy_generator(settings.seed, "rotation", number)) for number in range(settings.seeds)]
    changes = {name: max(float(np.ptp(one[name])) for one in curves) for name in COLOURS}
    kinds = _kinds(numpy_generator(settings.seed, "rotation", "matrices"))
    path = settings.folder / "rotation-invariance.png"
    draw_curves(path, curves)
    verdict = _verdict(changes, min(float(np.ptp(one[DIAGONAL])) for one in curves), kinds, settings.seeds)
    caption = (
        "Means over images of the log-likelihood and of ELBOs, over the angle by which a code is turned, relative to 0°; "
        "one line per decoder."
    )
    alt = f"Lines over angles from 0 to 90 degrees: two kinds lie flat at 0, the third rises and falls. {verdict}"
    section = Section(
        title="Turning a code",
        text=_text(),
        figures=[Picture(path, caption, alt)],
        tables=[_table_of_changes(curves), _table_of_kinds(kinds)],
    )
    numbers = {
        "angles": ANGLES.tolist(),
        "curves": [{name: values.tolist() for name, values in one.items()} for one in curves],
        "matrices": {name: {"cosines": one.cosines, "mixings": one.mixings} for name, one in kinds.items()},
    }
    return Answer(verdict=verdict, section=section, numbers=numbers)


def _curves(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return each quantity's mean over images, (angles,), for a random decoder with the best posteriors at its codes."""
    bend, codes = Bend.drawn(rng), rng.normal(size=(IMAGES, 2))
    images = bend(codes) + np.sqrt(VARIANCE) * rng.normal(size=(IMAGES, 3))
    asked = precision(bend.jacobians(codes), variance=VARIANCE)
    found: dict[str, list[float]] = {name: [] for name in COLOURS}
    for angle in ANGLES:
        by = rotation(angle)
        decoder, means, wanted = turned(bend, by), codes @ by.T, by @ asked @ by.T
        diagonal = np.stack([np.diag(1 / np.diag(one)) for one in wanted])
        found[EVIDENCE].append(evidence(decoder, images, variance=VARIANCE).mean())
        found[WHOLE].append(elbo(decoder, images, means, np.linalg.inv(wanted), variance=VARIANCE).mean())
        found[DIAGONAL].append(elbo(decoder, images, means, diagonal, variance=VARIANCE).mean())
    return {name: np.array(values) for name, values in found.items()}


def _kinds(rng: np.random.Generator) -> dict[str, Kind]:
    def of(matrices: Sequence[np.ndarray]) -> Kind:
        cosines, mixings = zip(*map(largest_cosine_and_mixing, matrices), strict=True)
        return Kind((min(cosines), max(cosines)), (min(mixings), max(mixings)))

    return {
        DISTINCT: of([with_orthogonal_columns(rng, VALUES, LENGTHS) for _ in range(MATRICES)]),
        RANDOM: of([rng.normal(size=(VALUES, len(LENGTHS))) for _ in range(MATRICES)]),
        EQUAL: of([with_orthogonal_columns(rng, VALUES, np.ones(len(LENGTHS))) for _ in range(MATRICES)]),
    }


def _verdict(changes: Mapping[str, float], least: float, kinds: Mapping[str, Kind], decoders: int) -> str:
    flat = max(changes[EVIDENCE], changes[WHOLE])
    outcome = "as Propositions 2 and 3 say" if flat < NOTHING else "against Propositions 2 and 3"
    return (
        f"Turning the codes of {decoders} random decoders changes the log-likelihood and the ELBO by at most {flat:.0e} "
        f"nats, {outcome}, and the ELBO of a diagonal posterior by {least:.2f} to {changes[DIAGONAL]:.2f}. For {MATRICES:,} "
        "matrices with orthogonal columns of distinct lengths, the singular vectors coincide with the axes to within "
        f"{kinds[DISTINCT].mixings[1]:.0e}; for columns of equal length they are arbitrary (up to "
        f"{kinds[EQUAL].mixings[1]:.2f}), as Proposition 1 allows."
    )


def _text() -> tuple[str, ...]:
    return (
        "The prior of a VAE is rotation invariant. So if an encoder and its decoder are turned together, the likelihood of "
        "the images does not change, and neither does the ELBO of a posterior that is turned with them. A log-likelihood "
        "cannot align latents with factors; it is the diagonal posterior, which stays along the axes, that makes some axes "
        "cheaper.",
        f"Decoders W tanh(V z) of two latents, {IMAGES} images each; integrals over codes are sums over a fine grid. The "
        "posteriors are the best ones for the decoder's derivative.",
    )


def _table_of_changes(curves: Sequence[Mapping[str, np.ndarray]]) -> TextTable:
    lines = []
    for name in COLOURS:
        ranges = [float(np.ptp(one[name])) for one in curves]
        lines.append((name, f"{min(ranges):.1e}", f"{max(ranges):.1e}"))
    note = f"Largest minus smallest value over angles, nats per image; {len(curves)} decoders."
    return plain_table("What turning a code changes", ("Quantity", "least", "most"), lines, note=note)


def _table_of_kinds(kinds: Mapping[str, Kind]) -> TextTable:
    lines = [
        (name, *(f"{low:.1g} to {high:.1g}" for low, high in (one.cosines, one.mixings))) for name, one in kinds.items()
    ]
    note = (
        f"Ranges over {MATRICES:,} matrices ({VALUES} × {len(LENGTHS)}) of the largest |cos| between two columns, and of "
        "the largest second entry of a row of |V|; 0 where columns are orthogonal, and where V is a signed permutation."
    )
    return plain_table("Columns and singular vectors", ("Columns", "largest |cos|", "second entry of |V|"), lines, note=note)


def draw_curves(path: Path, curves: Sequence[Mapping[str, np.ndarray]]) -> None:
    """Plot the change of each quantity over the angle, one line per decoder."""
    figure = style.new_figure(2.8)
    axes = figure.subplots()
    for name, colour in reversed(COLOURS.items()):  # draw the dashed line on top of the solid one that it coincides with
        for number, one in enumerate(curves):
            options = {"linestyle": "--" if name == EVIDENCE else "-", "zorder": 3 if name == EVIDENCE else 2}
            axes.plot(
                ANGLES, one[name] - one[name][0], color=colour, label=None if number else name, linewidth=1.3, **options
            )
    axes.set_xticks(np.arange(0, 91, 15))
    axes.set_xlabel("angle by which the code is turned, degrees", fontsize=style.SMALL)
    axes.set_ylabel("change, nats per image", fontsize=style.SMALL)
    axes.legend(fontsize=style.SMALL, frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.24), ncols=2)
    style.plain(axes, grid="y")
    style.save(figure, path)


INSTRUMENT = Instrument(
    name="rotation-invariance",
    question="Which part of a VAE's loss sees the axes of the code, and which axes are special?",
    source="thesis 3.1 and 3.2.1, equations 3.3 and 3.4, Propositions 1 to 3",
    takes=("nothing",),
    cost="15 seconds",
    answer=answer,
)
