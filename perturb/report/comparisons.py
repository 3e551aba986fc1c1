"""Comparisons between variants, beside each with the original, and what each difference tells."""

from perturb.config import ExperimentConfig

TOLD = {
    ("modified", "untrained"): "What training m_ψ adds to a pattern of its kind, variance and roughness.",
    ("modified", "redrawn_scalar"): "What the trained scalar adds to the trained curve.",
    ("modified", "redrawn_curve"): "What the trained curve adds to the trained scalar.",
    ("redrawn_curve", "untrained"): "What the trained scalar adds to an untrained curve.",
    ("redrawn_scalar", "untrained"): "What the trained curve adds to an untrained scalar.",
    ("modified", "untrained_in_span"): "What training adds to an untrained pattern that repaints what is there.",
    ("modified", "redrawn_curve_in_span"): "What the trained curve adds to one that repaints what is there.",
    ("untrained_in_span", "untrained"): "What repainting adds to an untrained pattern.",
    ("redrawn_curve_in_span", "redrawn_curve"): "What repainting adds to an untrained curve under the trained scalar.",
    ("redrawn_curve_in_span", "untrained_in_span"): "What the trained scalar adds to an untrained curve that repaints.",
    ("modified", "matched_noise"): "What a pattern of the factors takes more than noise of its variance.",
}


def comparisons_of(config: ExperimentConfig) -> dict[tuple[str, str], str]:
    """Pairs of an experiment's variants, first − second, with what each tells."""
    told, main = dict(TOLD), config.perturbation.form
    for name, form in config.alternatives.items():
        told[name, "modified"] = f"Another m_ψ ({form.form} form) beside the main one ({main} form)."
        told[name, "untrained"] = "What the training of that one adds."
    return {pair: text for pair, text in told.items() if set(pair) <= set(config.evaluation.variants)}
