"""The thesis's hands-on example (3.2.4), and a test of its Theorem 1 on random decoders."""

from pathlib import Path

import numpy as np

from perturb.analysis.precision import (
    EXAMPLE,
    Minimum,
    cheapest_variances,
    column_norms,
    column_product,
    largest_cosine,
    least_log_loss,
    minimised,
    stochastic_loss,
    turned,
    volume,
)
from perturb.instruments.instrument import Answer, Instrument, Settings
from perturb.instruments.subject import Subjects
from perturb.random.seeds import numpy_generator
from perturb.report import style
from perturb.report.section import Picture, Section
from perturb.report.table import Cell, TextTable, plain_table

SAMPLES, OUTPUTS, LATENTS, BUDGET = 4, 6, 3, 6.0
"""Size of the random problems: number of Jacobians, their shape, and the total budget in nats."""
SAME, ORTHOGONAL = 1e-6, 1e-3
"""Tolerances: excess loss below which a result counts as the global minimum, and cosine below which as orthogonal."""
THESIS = {0.0: "24.5", 45.0: "52.4"}
"""Coefficients of e^(−C/2) in equations 3.21 and 3.22, by angle."""


def answer(subjects: Subjects, settings: Settings) -> Answer:
    """Rotate the thesis's decoder, and minimise random problems from random starts."""
    best = _best_angle()
    problems = [_problem(settings, number) for number in range(settings.seeds)]
    path = settings.folder / "precision-budget.png"
    draw_angles(path, best)
    excess, cosine = (max(values) for values in zip(*problems, strict=True))
    outcome = "as the theorem says" if excess < SAME and cosine < ORTHOGONAL else "against the theorem"
    verdict = (
        f"{settings.seeds} random decoders, each from {settings.seeds} random starts: the worst minimum is {excess:.1e} "
        f"above the global one in closed form, and the largest cosine between two columns is {cosine:.1e}, {outcome}."
    )
    text = (
        "Noise on the latents costs a decoder least if it is distributed according to the columns' norms, and the cost is "
        "then given by their product. Turning the code changes that product but not the images that can be decoded: it is "
        "smallest if the columns are orthogonal, and then equal to the volume that they span.",
        f"Theorem 1 says that this holds for many samples at once: here {SAMPLES} Jacobians ({OUTPUTS} × {LATENTS}) each, "
        "with rotations and variances optimised jointly by L-BFGS.",
    )
    caption = "What noise costs the thesis's decoder M₁, over the angle by which the code is turned."
    alt = "A curve with its minimum near 0 degrees, where the columns are orthogonal, and its maximum 45 degrees away."
    section = Section(
        title="Precision budget",
        text=text,
        figures=[Picture(path, caption, alt)],
        tables=[_table(best)],
    )
    numbers = {
        "best_angle": best,
        "losses": {f"{angle:g}": _factor(turned(EXAMPLE, angle)) for angle in (0.0, 45.0, best)},
        "theorem_1": {"problems": settings.seeds, "worst_excess": excess, "largest_cosine": cosine},
    }
    return Answer(verdict=verdict, section=section, numbers=numbers)


def _problem(settings: Settings, number: int) -> tuple[float, float]:
    """Return the largest distance to the global minimum, and the largest cosine, over all starts of one random problem."""
    jacobians = numpy_generator(settings.seed, "precision", "problem", number).normal(size=(SAMPLES, OUTPUTS, LATENTS))
    ends: list[Minimum] = [minimised(jacobians, BUDGET, seed=settings.seed + start) for start in range(settings.seeds)]
    least = least_log_loss(jacobians, BUDGET)
    return max(end.loss - least for end in ends), max(end.cosine for end in ends)


def _best_angle() -> float:
    """Return the angle in degrees, in [0, 90), at which the columns of the example are orthogonal and MᵀM is diagonal."""
    gram = EXAMPLE.T @ EXAMPLE
    return float(np.degrees(0.5 * np.arctan2(-2 * gram[0, 1], gram[0, 0] - gram[1, 1])) % 90)


def _factor(decoder: np.ndarray) -> float:
    """Return the minimum stochastic loss in units of e^(−C/2)."""
    return stochastic_loss(decoder, cheapest_variances(decoder, 0.0))


def _table(best: float) -> TextTable:
    lines = []
    for name, angle in (("M₁", 0.0), ("M₂ = M₁ turned by 45°", 45.0), (f"M₁ turned by {best:.1f}°", best)):
        decoder = turned(EXAMPLE, angle)
        norms = " and ".join(f"{norm**2:.1f}" for norm in column_norms(decoder))
        cells = norms, f"{column_product(decoder):.2f}", f"{volume(decoder):.2f}", f"{largest_cosine(decoder):.2f}"
        loss = Cell(f"{_factor(decoder):.1f}", beside=THESIS.get(angle, ""), source="thesis" if angle in THESIS else "")
        lines.append((name, (*map(Cell, cells), loss)))
    header = "Decoder", "squared norms", "colΠ", "volume", "cosine", "least loss · e^(C/2)"
    blank = plain_table("The hands-on example (thesis 3.2.4)", header, [])
    note = "Thesis: equations 3.21 and 3.22, which print e^(−C) for e^(−C/2)."
    return TextTable(title=blank.title, corner=blank.corner, columns=blank.columns, lines=tuple(lines), note=note)


def draw_angles(path: Path, best: float) -> None:
    """Plot the minimum loss over the code's rotation angle, with the volume's bound and the thesis's decoders."""
    angles = np.linspace(-45, 90, 271)
    figure = style.new_figure(2.6)
    axes = figure.subplots()
    axes.plot(angles, [_factor(turned(EXAMPLE, angle)) for angle in angles], color="#4477aa", linewidth=1.6)
    axes.axhline(2 * volume(EXAMPLE), color="#777777", linestyle="--", linewidth=1, label="columns orthogonal: 2 · volume")
    for name, angle in (("M₁", 0.0), ("M₂", 45.0)):
        height = _factor(turned(EXAMPLE, angle))
        axes.plot([angle], [height], "o", color="#ee6677")
        axes.annotate(
            f"{name}: {height:.1f}", (angle, height), xytext=(6, 6), textcoords="offset points", fontsize=style.SMALL
        )
    axes.set_xlabel("angle by which the code is turned, degrees", fontsize=style.SMALL)
    axes.set_ylabel("least loss · $e^{C/2}$", fontsize=style.SMALL)
    axes.set_ylim(bottom=0)
    axes.set_title(f"Orthogonal at {best if best < 45 else best - 90:.1f}°", fontsize=style.NORMAL, loc="left")
    axes.legend(fontsize=style.SMALL, frameon=False, loc="lower right")
    style.plain(axes, grid="y")
    style.save(figure, path)


INSTRUMENT = Instrument(
    name="precision-budget",
    question="What does noise on the latents cost a decoder, and which axes make it cheapest?",
    source="thesis 3.2.3 and 3.2.4, equations 3.14 to 3.24, Theorem 1",
    takes=("nothing",),
    cost="seconds",
    answer=answer,
)
