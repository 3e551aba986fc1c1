from typing import get_args

from perturb.variants import CONTROLS, DRAWN, FOLLOWING, NOISES, ONE_PATTERN, UNTRAINED, VARIANTS, Variant


def test_the_table_has_every_variant_and_no_two_look_alike() -> None:
    assert list(VARIANTS) == list(get_args(Variant))
    for looks in ("colour", "marker", "where", "meaning"):
        assert len({getattr(facts, looks) for facts in VARIANTS.values()}) == len(VARIANTS), looks


def test_what_a_variant_needs_follows_from_its_pattern() -> None:
    assert {name for name, facts in VARIANTS.items() if facts.pattern == "control"} == set(CONTROLS)
    assert set(DRAWN) | set(NOISES) | {"original"} == set(VARIANTS)
    assert set(FOLLOWING) | {"modified"} | set(ONE_PATTERN) == set(VARIANTS)
    assert ONE_PATTERN == ("original", "noise")
    assert {name for name, control in CONTROLS.items() if control.redraw == "both"} == set(UNTRAINED)
