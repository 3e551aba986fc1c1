"""Counts, sentences, tables and the figure of how codes hold factors, on known measurements."""

from pathlib import Path

from PIL import Image

from perturb.analysis.factor_directions import KINDS, Held
from perturb.report.holding import COLOURS, Holding, draw_kinds, kinds_of, sentence_on, table_of_factors, table_of_shares

OWN, ROTATED, CURVED, MISSING = Held(0.95, 0.99, 0.9), Held(0.5, 0.99, 0.9), Held(0.5, 0.7, 0.9), Held(0.0, 0.1, 0.1)
MODELS = [
    Holding("β-VAE", "original", {"hue": OWN, "floor_hue": OWN}),
    Holding("β-VAE", "original", {"hue": OWN, "floor_hue": ROTATED}),
    Holding("β-VAE", "modified", {"hue": CURVED, "floor_hue": ROTATED}),
    Holding("PCL", "original", {"hue": OWN, "floor_hue": MISSING}),
]


def test_kinds_are_counted_by_variant_over_all_factors_and_models() -> None:
    counts = kinds_of(MODELS[:3])
    assert counts == {"original": {"own latent": 3, "rotated": 1}, "modified": {"curved": 1, "rotated": 1}}


def test_the_sentence_gives_each_variants_share_of_own_latents_and_what_the_others_are() -> None:
    assert sentence_on("β-VAE", MODELS[:3]) == (
        "In the codes of β-VAE, 75% of the factors have a latent of their own on the original (25% rotated) and 0% on the "
        "modified images (50% rotated and 50% curved)."
    )
    assert sentence_on("β-VAE", []) is None


def test_shares_are_listed_by_variant_with_the_number_of_models() -> None:
    table = table_of_shares("Shares", MODELS[:3])
    assert table is not None
    assert table.columns == (*KINDS, "models")
    assert [(name, [cell.text for cell in cells]) for name, cells in table.lines] == [
        ("original", ["75%", "25%", "0%", "0%", "2"]),
        ("modified", ["0%", "50%", "50%", "0%", "1"]),
    ]
    assert table_of_shares("Shares", []) is None


def test_each_factor_is_counted_for_each_method_and_variant() -> None:
    table = table_of_factors(MODELS)
    assert table.columns == ("hue", "floor hue")
    assert [(name, [cell.text for cell in cells]) for name, cells in table.lines] == [
        ("β-VAE, original", ["2 own latent", "1 own latent, 1 rotated"]),
        ("β-VAE, modified", ["1 curved", "1 rotated"]),
        ("PCL, original", ["1 own latent", "1 missing"]),
    ]


def test_the_figure_shows_every_kind_that_occurs(tmp_path: Path) -> None:
    draw_kinds(tmp_path / "codes.png", MODELS)
    with Image.open(tmp_path / "codes.png") as image:
        colours = {colour for _, colour in image.convert("RGB").getcolors(1 << 24) or []}
    assert {tuple(bytes.fromhex(COLOURS[kind][1:])) for kind in KINDS} <= colours
