"""Caveats that a reader of an experiment's numbers must not overlook, and the numbers' provenance."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict

import numpy as np

from perturb.config import ExperimentConfig
from perturb.config.loading import config_hash
from perturb.datasets.saved_images import ImagesResult
from perturb.machine import software_versions
from perturb.manifests import read_manifest
from perturb.metrics import METRICS
from perturb.perturbation.saved_networks import PatternResult
from perturb.perturbation.scalar import fewest_factors
from perturb.report import inputs
from perturb.report.findings import Findings
from perturb.report.words import listed
from perturb.statistics.scores import BASELINE, Score
from perturb.variants import CONTROLS, MATCHED_NOISES, ONE_PATTERN

MATCHED = 0.05
"""Relative deviation from its target up to which a control counts as matched."""


def notes(findings: Findings) -> list[str]:
    """Return the caveats as sentences, the most important first."""
    return [
        *_selection(findings),
        *_patterns(findings),
        *_controls(findings),
        *_failed(findings),
        *_refused(findings),
        *_over_pruned(findings),
        *_files(findings),
    ]


def _selection(findings: Findings) -> Iterator[str]:
    config, selection = findings.config, findings.selection
    if selection is None:
        yield f"The patterns are published ones, {published_in_words(config)}; no m_ψ was trained for this experiment."
        return
    ranked = {index: score for index, score in selection.scores.items() if score is not None}
    sides = {side: ", ".join(f"restart {i} ({ranked[i]:.2f})" for i in chosen) for side, chosen in selection.sides.items()}
    spread = np.std(list(ranked.values()), ddof=1) if len(ranked) > 1 else 0
    yield (
        f"{config.restarts.num} restarts had a {METRICS[config.selection.metric].title} of "
        f"{np.mean(list(ranked.values())):.2f} ± {spread:.2f}; m_ψ was trained against {sides['disentangled']} as "
        f"disentangled and {sides['entangled']} as entangled. None of their seeds is in the tables."
    )
    yield from (f"Set aside at the selection: restart {i}, {reason}." for i, reason in selection.set_aside.items())


def published_in_words(config: ExperimentConfig) -> str:
    """Return the place of an experiment's published patterns in words."""
    place = config.published
    assert place is not None, "experiments without restarts have published patterns"
    if place.benchmark is not None:
        return f"those of {place.benchmark}"
    assert place.folder is not None
    return f"those in the folder {place.folder.name}"


def _patterns(findings: Findings) -> Iterator[str]:
    """Yield the number of patterns, and the properties of each m_ψ's patterns."""
    config = findings.config
    yield from _how_many(config)
    for variant in ("modified", *config.alternatives):
        if found := findings.networks(variant):
            yield from _trained(findings, variant, found)


def _trained(findings: Findings, variant: str, found: Sequence[PatternResult]) -> Iterator[str]:
    """Yield strength and scalar of a variant's trained patterns, and how many of them have collapsed."""
    form, rule, grid = findings.config.form(variant), findings.config.collapse, findings.grid
    patterns, factors = [one.pattern for one in found], [one.scalar.effective for one in found]
    yield (
        f"The perturbation of {variant} ({form.form} form, ε = {form.epsilon:g}), as stored: the part that varies over the "
        f"data is {_span([pattern.variation for pattern in patterns], '.0%')} of its mean square. Its variance is "
        f"{_span([pattern.variance for pattern in patterns], '.2f')} ε² (uniform noise has 0.33 ε² before the mirror), "
        f"{_span([pattern.share for pattern in patterns], '.0%')} of the images' own. Its scalar follows an "
        f"effective number of {_span(factors, '.1f')} of the {grid.num_factors} factors."
    )
    reasons = {
        "where a pattern hardly depends on the factors, the images do not test the claim": sum(
            pattern.variation < rule.min_variation for pattern in patterns
        ),
        "a pattern along a single factor mixes it with no other, and so does not test the claim": sum(
            effective < fewest_factors(rule.min_factors, grid) for effective in factors
        ),
    }
    for reason, collapsed in reasons.items():
        if collapsed:
            which = "The pattern" if len(found) == 1 else f"{collapsed} of the {len(found)} patterns"
            yield f"{which} of {variant} COLLAPSED: {reason}."


def _controls(findings: Findings) -> Iterator[str]:
    """Yield how well each control is matched to the trained patterns."""
    for variant in CONTROLS:
        if found := findings.networks(variant):
            parts = [
                f"{quantity} {_span([getattr(one.pattern, quantity) for one in found], '.2f')}{unit} "
                f"(target {_span([getattr(one.wanted, quantity) for one in found], '.2f')}{unit})"
                for quantity, unit in (("variance", " ε²"), ("roughness", ""))
            ]
            missed = sum(_is_missed(one) for one in found)
            beyond = f"; {missed} of {len(found)} could not be brought within {MATCHED:.0%} of both" if missed else ""
            yield f"Patterns of {variant} are matched to the trained ones as stored: {', '.join(parts)}{beyond}."
    for variant in set(MATCHED_NOISES) & set(findings.config.evaluation.variants):
        found = findings.file_results(variant)
        reached = [one.variance for one in found if one.variance is not None]
        wanted = [one.wanted["variance"] for one in found if one.wanted is not None]
        yield f"Noise of {variant} has a stored variance of {_span(reached, '.2f')} ε² (target {_span(wanted, '.2f')} ε²)."


def _is_missed(found: PatternResult) -> bool:
    """Return whether a control's variance or roughness misses its target."""
    wanted = asdict(found.wanted) if found.wanted else {}
    return any(abs(getattr(found.pattern, name) - goal) > MATCHED * goal for name, goal in wanted.items())


def _how_many(config: ExperimentConfig) -> Iterator[str]:
    """Yield what the intervals account for: trainings, and patterns if there are several."""
    drawn = {variant: config.draws(variant) for variant in config.evaluation.variants if variant not in ONE_PATTERN}
    several = [f"{count} of {variant}" for variant, count in drawn.items() if count > 1]
    alone = [variant for variant, count in drawn.items() if count == 1]
    if several:
        yield (
            f"Independent patterns: {listed(several)}. With n patterns, seed k uses pattern k modulo n (counted from 0), so "
            "intervals are over trainings and patterns."
        )
    if alone:
        which = f"of {listed(alone)}" if several else "per variant"
        yield (f"One pattern {which}: intervals are over trainings on that pattern, and say nothing about other patterns.")


def _span(numbers: Sequence[float], form: str) -> str:
    """Format a number as `0.31`, or a range as `0.28 to 0.33`."""
    low, high = f"{min(numbers):{form}}", f"{max(numbers):{form}}"
    return low if low == high else f"{low} to {high}"


def _failed(findings: Findings) -> Iterator[str]:
    """Yield trainings without scores, grouped by the reason of failure."""
    reasons: dict[str, list[Score]] = {}
    for score in [*findings.scores, *findings.searched.values()]:
        if score.failure is not None:
            reasons.setdefault(score.failure, []).append(score)
    yield from (f"Failed: {runs_in_words(scores)}: {reason}." for reason, scores in reasons.items())


def _refused(findings: Findings) -> Iterator[str]:
    """Yield metrics without a value for some trainings, which the means therefore leave out."""
    reasons: dict[tuple[str, str], list[Score]] = {}
    for score in [*findings.scores, *findings.searched.values()]:
        for name, reason in score.refused.items():
            reasons.setdefault((METRICS[name].title, reason.rstrip(".")), []).append(score)
    yield from (f"Without {title}: {runs_in_words(scores)}: {reason}." for (title, reason), scores in reasons.items())


def runs_in_words(scores: Sequence[Score]) -> str:
    """List runs as `AE on noise, seed 3; β-VAE on modified, seeds 0, 2 and 2`.

    A seed can occur twice, because runs of the line search share seeds with the others.
    """
    seeds: dict[tuple[str, str], list[str]] = {}
    for score in scores:
        seeds.setdefault((score.method, score.variant), []).append(str(score.seed))
    return "; ".join(
        f"{method} on {variant}, seed{'s' * (len(numbers) > 1)} {listed(numbers)}"
        for (method, variant), numbers in seeds.items()
    )


def _over_pruned(findings: Findings) -> Iterator[str]:
    """Yield trainings with fewer active units than factors, which the means include."""
    scored = [score for score in findings.scores if score.values is not None]
    pruned = [score for score in scored if score.over_pruned]
    if pruned:
        named = runs_in_words(pruned)
        yield f"{len(pruned)} of {len(scored)} runs are over-pruned, but are included in the means: {named}."


def _files(findings: Findings) -> Iterator[str]:
    """Yield a sentence about the pixels that the first file of each variant changes."""
    variants = [variant for variant in findings.config.evaluation.variants if variant != BASELINE]
    found = {variant: findings.file_results(variant)[0] for variant in variants}
    if found:
        largest = _span([file.largest_change for file in found.values()], "d")
        shares = listed([f"{file.changed_share:.1%} in {variant}.h5" for variant, file in found.items()])
        yield f"No pixel moved by more than {largest} of 255 grey levels. Share of pixel values that changed: {shares}."


def provenance(findings: Findings) -> dict[str, str]:
    """Return the provenance of the numbers: config, data, versions."""
    config, images = findings.config, findings.result(inputs.IMAGES, ImagesResult)
    found = {
        "config": config_hash(config),
        "dataset": f"{config.dataset.name}, {', '.join(f'{k} {v}' for k, v in (images.provenance or {}).items())}",
        "pixels (sha256)": images.sha256,
    }
    for variant in config.evaluation.variants:
        found[f"{variant}.h5 (sha256)"] = findings.file_results(variant)[0].sha256
    return found | {"trained on": _trained_on(findings)} | software_versions()


def _trained_on(findings: Findings) -> str:
    """Return the devices and torch versions that trained the models; they may differ from those that write the report."""
    built = (read_manifest(run)["built"] for name, run in findings.runs.items() if name.startswith("training/"))
    return "; ".join(sorted({f"{made['device']}, torch {made['torch']}" for made in built}))
