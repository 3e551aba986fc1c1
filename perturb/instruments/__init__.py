"""Instruments: questions about the theory behind the benchmarks, tested on models and answered with a table and a figure.

The mathematics is in perturb/analysis. An instrument supplies the inputs and words the results. To add one, write a module
with an `INSTRUMENT` like the others, whose `answer` takes `Subjects` and `Settings` and returns an `Answer`, and add it to
the table. It is then available as `perturb analyse NAME` and listed by `perturb analyse list`.
"""

from perturb.instruments import (
    axes_over_widths,
    likelihood_variance,
    linear_vae,
    local_linearity,
    mig_over_steps,
    od_score,
    orthogonality,
    pca_axes,
    polarized_regime,
    posterior_precision,
    precision_budget,
    rotated_or_curved,
    rotation_invariance,
    suggest_beta,
    synthetic_study,
)
from perturb.instruments.instrument import Answer, Instrument, Settings

INSTRUMENTS: dict[str, Instrument] = {
    instrument.name: instrument
    for instrument in (
        rotation_invariance.INSTRUMENT,
        precision_budget.INSTRUMENT,
        linear_vae.INSTRUMENT,
        pca_axes.INSTRUMENT,
        local_linearity.INSTRUMENT,
        posterior_precision.INSTRUMENT,
        orthogonality.INSTRUMENT,
        od_score.INSTRUMENT,
        polarized_regime.INSTRUMENT,
        rotated_or_curved.INSTRUMENT,
        mig_over_steps.INSTRUMENT,
        axes_over_widths.INSTRUMENT,
        suggest_beta.INSTRUMENT,
        likelihood_variance.INSTRUMENT,
        synthetic_study.INSTRUMENT,
    )
}  # fmt: skip
"""All instruments by name."""

__all__ = ["INSTRUMENTS", "Answer", "Instrument", "Settings"]
