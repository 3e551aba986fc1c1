"""What a reader of an experiment's numbers must not overlook, and what made them."""

from collections.abc import Iterator, Sequence

import numpy as np

from perturb.config import ExperimentConfig
from perturb.config.experiment import ONE_DRAW
from perturb.config.loading import config_hash
from perturb.evaluation.statistics import BASELINE
from perturb.evaluation.words import listed
from perturb.metrics import METRICS
from perturb.pipeline.stages.findings import Findings
from perturb.runs import software_versions


def notes(findings: Findings) -> list[str]:
    """Sentences, the most important first."""
    return [
        *_selection(findings),
        *_patterns(findings),
        *(
            f"Failed: {score.method} on {score.variant}, seed {score.seed}: {score.failure}."
            for score in [*findings.scores, *(point.score for point in findings.search)]
            if score.failure is not None
        ),
        *_over_pruned(findings),
        *_files(findings),
    ]


def _selection(findings: Findings) -> Iterator[str]:
    config, selection = findings.config, findings.results["selection"]
    ranked = {int(index): score for index, score in selection["scores"].items() if score is not None}
    sides = {
        side: ", ".join(f"restart {i} ({ranked[i]:.2f})" for i in selection[side]) for side in ("disentangled", "entangled")
    }
    spread = np.std(list(ranked.values()), ddof=1) if len(ranked) > 1 else 0
    yield (
        f"{config.restarts.num} restarts had a {METRICS[config.selection.metric].title} of "
        f"{np.mean(list(ranked.values())):.2f} ± {spread:.2f}; m_ψ was trained against {sides['disentangled']} as "
        f"disentangled and {sides['entangled']} as entangled. None of their seeds is in the tables."
    )
    yield from (f"Set aside at the selection: restart {i}, {reason}." for i, reason in selection["set_aside"].items())


def _patterns(findings: Findings) -> Iterator[str]:
    """How much each m_ψ's pattern varies, over its draws."""
    config = findings.config
    yield from _how_many(config)
    for variant in ("modified", *config.alternatives):
        found = findings.patterns(variant)
        if not found:
            continue
        form = config.form(variant)
        yield (
            f"The perturbation of {variant} ({form.form} form, ε = {form.epsilon:g}) varies over the data with "
            f"{_span([pattern['variation'] for pattern in found], '.0%')} of its mean square; its variance is "
            f"{_span([pattern['variance'] for pattern in found], '.2f')} ε², uniform noise has 0.33 ε²."
        )
        collapsed = sum(pattern["variation"] < config.collapse.min_variation for pattern in found)
        if collapsed:
            patterns = "The pattern" if len(found) == 1 else f"{collapsed} of the {len(found)} patterns"
            yield (
                f"{patterns} of {variant} COLLAPSED: where a pattern hardly depends on the factors, the images do not test "
                "the claim."
            )


def _how_many(config: ExperimentConfig) -> Iterator[str]:
    """What the intervals are over."""
    drawn = {variant: config.draws(variant) for variant in config.evaluation.variants if variant not in ONE_DRAW}
    several = [f"{count} of {variant}" for variant, count in drawn.items() if count > 1]
    alone = [variant for variant, count in drawn.items() if count == 1]
    if several:
        yield (
            f"Independent patterns: {listed(several)}. Of n patterns seed k meets pattern k modulo n (counted from 0), so "
            "that intervals are over trainings and patterns."
        )
    if alone:
        which = f"of {listed(alone)}" if several else "a variant"
        yield (f"One pattern {which}: intervals are over trainings on that pattern, and say nothing about other patterns.")


def _span(numbers: Sequence[float], form: str) -> str:
    """`0.31`, or `0.28 to 0.33` of several."""
    low, high = f"{min(numbers):{form}}", f"{max(numbers):{form}}"
    return low if low == high else f"{low} to {high}"


def _over_pruned(findings: Findings) -> Iterator[str]:
    """Trainings with fewer active units than factors: in the means, and marked."""
    scored = [score for score in findings.scores if score.values is not None]
    pruned = [score for score in scored if score.over_pruned]
    if pruned:
        named = ", ".join(f"{score.method} on {score.variant}, seed {score.seed}" for score in pruned)
        yield f"{len(pruned)} of {len(scored)} runs are over-pruned, and in the means all the same: {named}."


def _files(findings: Findings) -> Iterator[str]:
    for variant in findings.config.evaluation.variants:
        found = findings.results[f"file/{variant}"]
        if variant != BASELINE:
            yield (
                f"{variant}.h5: no pixel moved by more than {found['largest_change']} of 255 grey levels, "
                f"{found['changed_share']:.1%} of the pixels moved."
            )


def provenance(findings: Findings) -> dict[str, str]:
    """What made the numbers: config, data, versions."""
    config, results = findings.config, findings.results
    source = results["images"]["provenance"]
    found = {
        "config": config_hash(config),
        "dataset": f"{config.dataset.name}, {', '.join(f'{k} {v}' for k, v in source.items())}",
        "pixels (sha256)": results["images"]["sha256"],
    }
    found |= {f"{v}.h5 (sha256)": results[f"file/{v}"]["sha256"] for v in config.evaluation.variants}
    return found | software_versions()
