import itertools
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from made_scores import made_scores

from perturb.report.sections.differences import draw_scores
from perturb.report.sections.images import draw_images
from perturb.statistics.scores import summarise

VARIANTS = ("original", "modified", "noise")


def _read(path: Path) -> np.ndarray:
    """Read a PNG as floats (height, width, 4) in [0, 1]."""
    image = matplotlib.image.imread(path, format="png")
    assert image.ndim == 3
    assert min(image.shape[:2]) > 0
    return image


def _centres(picture: np.ndarray, columns: int) -> list[np.ndarray]:
    """Colour at the middle of each image in a picture with a single row of images."""
    parts = np.array_split(picture, columns, axis=1)
    return [part[int(0.6 * part.shape[0]), part.shape[1] // 2, :3] for part in parts]


def _has(picture: np.ndarray, colour: tuple[float, ...], *, share: float) -> bool:
    """Whether at least this share of the picture has this colour."""
    close = np.abs(picture[..., :3] - np.array(colour)).max(axis=-1) < 0.02
    return bool(close.mean() >= share)


def _drawn(path: Path, values: dict[tuple[str, str], list[float | None]]) -> np.ndarray:
    scores = [score for (method, variant), found in values.items() for score in made_scores(method, variant, *found)]
    draw_scores(path, scores, summarise(scores, ["mig"]), "mig")
    return _read(path)


@pytest.mark.parametrize("channels", [1, 3], ids=["grey", "RGB"])
def test_grey_and_rgb_images_are_drawn(tmp_path: Path, channels: int) -> None:
    originals = np.random.default_rng(0).integers(256, size=(2, 8, 8, channels), dtype=np.uint8)
    draw_images(tmp_path / "a.png", originals, {"modified": originals, "noise": 255 - originals}, epsilon=0.1)
    height, width = _read(tmp_path / "a.png").shape[:2]
    assert width / height == pytest.approx(5 * 1.25 / (2 * 1.25 + 0.35), rel=0.02)


@pytest.mark.parametrize("channels", [1, 3], ids=["grey", "RGB"])
@pytest.mark.parametrize(("moved", "drawn"), [(0, 0.5), (51, 1.0), (-51, 0.0), (25, 0.745), (102, 1.0), (-102, 0.0)])
def test_differences_are_drawn_on_a_scale_from_black_over_grey_to_white(
    tmp_path: Path, channels: int, moved: int, drawn: float
) -> None:
    originals = np.full((1, 8, 8, channels), 104, dtype=np.uint8)
    draw_images(tmp_path / "a.png", originals, {"modified": np.full_like(originals, 104 + moved)}, epsilon=0.2)
    left, middle, right = _centres(_read(tmp_path / "a.png"), 3)
    assert left == pytest.approx([104 / 255] * 3, abs=0.02)
    assert middle == pytest.approx([drawn] * 3, abs=0.02)
    assert right == pytest.approx([(104 + moved) / 255] * 3, abs=0.02)


def test_differences_are_drawn_separately_for_each_colour_channel(tmp_path: Path) -> None:
    red, blue = np.zeros((2, 1, 8, 8, 3), dtype=np.uint8)
    red[..., 0] = blue[..., 2] = 255
    draw_images(tmp_path / "a.png", red, {"modified": blue, "noise": red}, epsilon=0.2)
    expected = [(1, 0, 0), (0, 0.5, 1), (0, 0, 1), (0.5, 0.5, 0.5), (1, 0, 0)]
    for found, colour in zip(_centres(_read(tmp_path / "a.png"), 5), expected, strict=True):
        assert found == pytest.approx(colour, abs=0.02)


def test_drawing_images_does_not_modify_them(tmp_path: Path) -> None:
    originals = np.random.default_rng(0).integers(256, size=(1, 8, 8, 1), dtype=np.uint8)
    before = originals.copy()
    draw_images(tmp_path / "a.png", originals, {"modified": originals}, epsilon=0.1)
    assert np.array_equal(originals, before)


def test_scores_are_drawn_with_one_panel_per_method(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sizes = []
    for methods in (["AE"], ["AE", "β-VAE"], ["AE", "β-VAE", "VAE"]):
        values = {key: list(rng.uniform(size=4)) for key in itertools.product(methods, VARIANTS)}
        sizes.append(_drawn(tmp_path / "a.png", values).shape)
    widths = [width for _, width, _ in sizes]
    assert widths == sorted(set(widths))
    assert len({height for height, _, _ in sizes}) == 1


def test_failed_runs_are_left_out_of_the_drawn_scores(tmp_path: Path) -> None:
    values = {
        ("AE", "original"): [0.5, None, 0.4],
        ("AE", "modified"): [None, 0.1, 0.2],
        ("AE", "noise"): [None, None, None],
        ("β-VAE", "original"): [None, None, None],
        ("β-VAE", "modified"): [None, None, None],
        ("β-VAE", "noise"): [None, None, None],
    }
    picture = _drawn(tmp_path / "a.png", values)
    left, right = np.array_split(picture, 2, axis=1)
    blue = (0x44 / 255, 0x77 / 255, 0xAA / 255)
    assert _has(left, blue, share=1e-4)
    assert not _has(right, blue, share=1e-6)


def test_scores_can_be_drawn_when_every_run_failed(tmp_path: Path) -> None:
    _drawn(tmp_path / "a.png", {("AE", variant): [None, None] for variant in VARIANTS})


def test_scores_can_be_drawn_for_one_seed_and_one_variant(tmp_path: Path) -> None:
    _drawn(tmp_path / "a.png", {("AE", "original"): [0.0]})


def test_the_same_scores_give_an_identical_figure_file(tmp_path: Path) -> None:
    values = {("AE", variant): [0.1, 0.2] for variant in VARIANTS}
    for name in ("a.png", "b.png"):
        _drawn(tmp_path / name, values)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_scores_of_every_pattern_are_drawn_as_dots(tmp_path: Path) -> None:
    red = (0xEE / 255, 0x66 / 255, 0x77 / 255)
    original = made_scores("AE", "original", 0.5, 0.6)
    first, second = (made_scores("AE", "modified", value, value, draw=draw) for draw, value in enumerate((0.1, 0.9)))
    for scores, halves in (([*original, *first], [False, True]), ([*original, *first, *second], [True, True])):
        draw_scores(tmp_path / "a.png", scores, summarise(scores, ["mig"]), "mig")
        picture = _read(tmp_path / "a.png")
        assert [_has(half, red, share=1e-4) for half in np.array_split(picture[: int(0.85 * len(picture))], 2)] == halves
