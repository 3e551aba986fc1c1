from typing import get_args

from perturb.variants import CONTROLS, DRAWN, FOLLOWING, NOISES, ONE_PATTERN, UNTRAINED, VARIANTS, Variant


def test_the_table_has_every_variant_with_distinct_properties() -> None:
    assert list(VARIANTS) == list(get_args(Variant))
    for looks in ("colour", "marker", "where", "meaning"):
        assert len({getattr(facts, looks) for facts in VARIANTS.values()}) == len(VARIANTS), looks


def test_the_groups_of_variants_follow_from_the_table() -> None:
    assert {name for name, facts in VARIANTS.items() if facts.pattern == "control"} == set(CONTROLS)
    assert set(DRAWN) | set(NOISES) | {"original"} == set(VARIANTS)
    assert set(FOLLOWING) | {"modified"} | set(ONE_PATTERN) == set(VARIANTS)
    assert ONE_PATTERN == ("original", "noise")
    assert {name for name, control in CONTROLS.items() if control.redraw == "both"} == set(UNTRAINED)
