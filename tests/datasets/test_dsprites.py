"""The dSprites renderer: order, values and geometry of the factors."""

import numpy as np
import pytest

from perturb.datasets.renderers.dsprites import DSprites

SHAPES = range(3)


@pytest.fixture(scope="module")
def dsprites():
    return DSprites()


def drawn(dsprites, *factors):
    """White pixels, bool (n, 64, 64), of these factor tuples."""
    return dsprites.images(dsprites.grid.indices_of(np.array(factors)))[..., 0] == 255


def centre(white):
    """(row, column) of the centre of mass of each image."""
    rows, columns = np.mgrid[:64, :64]
    area = white.sum((1, 2))
    return (white * rows).sum((1, 2)) / area, (white * columns).sum((1, 2)) / area


def test_the_grid_is_the_official_one(dsprites):
    assert dsprites.grid.sizes == (3, 6, 40, 32, 32)
    assert dsprites.grid.num_images == 737_280
    assert tuple(map(len, dsprites.factor_values)) == dsprites.grid.sizes
    np.testing.assert_array_equal(dsprites.values_of(np.array([0]))[0], [1.0, 0.5, 0.0, 0.0, 0.0])
    np.testing.assert_allclose(dsprites.values_of(np.array([737_279]))[0], [3.0, 1.0, 2 * np.pi, 1.0, 1.0])


def test_the_last_factor_varies_fastest(dsprites):
    np.testing.assert_array_equal(dsprites.grid.factors_of(np.array([1, 32]))[:, 3:], [[0, 1], [1, 0]])


def test_images_are_black_and_white_bytes(dsprites):
    images = dsprites.images(np.arange(0, 737_280, 9973))
    assert images.dtype == np.uint8
    assert images.shape[1:] == dsprites.image_shape == (64, 64, 1)
    assert set(np.unique(images)) == {0, 255}


def test_no_indices_give_no_images(dsprites):
    assert dsprites.images(np.array([], np.int64)).shape == (0, 64, 64, 1)


def test_an_index_outside_the_grid_is_refused(dsprites):
    with pytest.raises(ValueError, match="out of bounds"):
        dsprites.images(np.array([737_280]))


def test_images_do_not_depend_on_the_order_of_the_indices(dsprites):
    block = dsprites.images(np.arange(300_000, 303_000))
    order = np.random.default_rng(0).permutation(3000)
    np.testing.assert_array_equal(dsprites.images(300_000 + order), block[order])


def test_the_mean_pixel_value_equals_that_of_the_official_file(dsprites):
    mean = np.mean([dsprites.images(np.arange(start, 737_280, 737)).mean() / 255 for start in (0, 100, 500)])
    assert mean == pytest.approx(0.0424944, rel=0.01)


def test_the_mean_area_at_full_scale_is_294_pixels(dsprites):
    areas = drawn(dsprites, *[(shape, 5, angle, 10, 10) for shape in SHAPES for angle in range(39)]).sum((1, 2))
    assert areas.mean() == pytest.approx(294, abs=2)


def test_the_square_at_angle_zero_is_twenty_pixels_wide(dsprites):
    white = drawn(dsprites, (0, 5, 0, 0, 0))[0]
    assert white.sum() == 400
    assert white[6:26, 6:26].all()


def test_the_ellipse_at_angle_zero_is_wider_than_high(dsprites):
    white = drawn(dsprites, (1, 5, 0, 0, 0))[0]
    assert (white.any(0).sum(), white.any(1).sum()) == (26, 14)


def test_the_heart_stands_on_its_tip_at_angle_zero_and_turns_counter_clockwise(dsprites):
    upright, turned = drawn(dsprites, (2, 5, 0, 0, 0), (2, 5, 10, 0, 0))
    np.testing.assert_array_equal(upright, np.roll(upright[:, ::-1], -32, axis=1))
    assert upright[upright.any(1)][-1].sum() == 2
    assert centre(upright[np.newaxis])[0][0] < 15
    assert centre(turned[np.newaxis])[1][0] < 15


@pytest.mark.parametrize("shape", SHAPES)
def test_the_area_increases_with_the_scale(dsprites, shape):
    for angle in (0, 7):
        areas = drawn(dsprites, *[(shape, scale, angle, 5, 20) for scale in range(6)]).sum((1, 2))
        assert (np.diff(areas) > 0).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_positions_move_along_their_axes(dsprites, shape):
    rows, columns = centre(drawn(dsprites, *[(shape, 4, 3, x, 9) for x in range(32)]))
    assert (np.diff(columns) > 0.5).all()
    assert columns[-1] - columns[0] == pytest.approx(32, abs=1e-9)
    assert np.ptp(rows) < 0.5
    rows, columns = centre(drawn(dsprites, *[(shape, 4, 3, 9, y) for y in range(32)]))
    assert (np.diff(rows) > 0.5).all()
    assert rows[-1] - rows[0] == pytest.approx(32, abs=1e-9)
    assert np.ptp(columns) < 0.5


@pytest.mark.parametrize("shape", SHAPES)
def test_the_first_and_the_last_orientation_are_equal(dsprites, shape):
    first, second, last = drawn(dsprites, (shape, 3, 0, 4, 5), (shape, 3, 1, 4, 5), (shape, 3, 39, 4, 5))
    np.testing.assert_array_equal(first, last)
    assert (first != second).any()


def test_no_shape_touches_the_border(dsprites):
    corners = [(s, 5, angle, x, y) for s in SHAPES for angle in range(40) for x in (0, 31) for y in (0, 31)]
    white = drawn(dsprites, *corners)
    assert not white[:, [0, -1]].any()
    assert not white[:, :, [0, -1]].any()


def test_the_provenance_names_the_renderer_and_its_version(dsprites):
    assert dsprites.provenance() == {"source": "renderer", "renderer": "dsprites", "version": "1"}
