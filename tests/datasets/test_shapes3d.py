"""The Shapes3D renderer: order, values and what each factor may change."""

import numpy as np
import pytest

from perturb.datasets.renderers.shapes3d import Shapes3D

MIDDLE = (0, 3, 6, 4, 0, 7)
"""Red floor, green wall, blue cube of middle size, seen from the front."""


@pytest.fixture(scope="module")
def shapes3d():
    return Shapes3D()


def drawn(shapes3d, *factors):
    """Images, int (n, 64, 64, 3), of these factor tuples."""
    return shapes3d.images(shapes3d.grid.indices_of(np.array(factors))).astype(int)


def with_factor(column, value, base=MIDDLE):
    return (*base[:column], value, *base[column + 1 :])


def object_mask(shapes3d, **changes):
    """Pixels that change with the object's hue, bool (64, 64)."""
    base = tuple(changes.get(name, value) for name, value in zip(shapes3d.grid.names, MIDDLE, strict=True))
    first, second = drawn(shapes3d, with_factor(2, 0, base), with_factor(2, 5, base))
    return (first != second).any(-1)


def test_the_grid_is_the_official_one(shapes3d):
    assert shapes3d.grid.sizes == (10, 10, 10, 8, 4, 15)
    assert shapes3d.grid.num_images == 480_000
    assert tuple(map(len, shapes3d.factor_values)) == shapes3d.grid.sizes
    np.testing.assert_allclose(shapes3d.values_of(np.array([0]))[0], [0.0, 0.0, 0.0, 0.75, 0.0, -30.0])
    np.testing.assert_allclose(shapes3d.values_of(np.array([479_999]))[0], [0.9, 0.9, 0.9, 1.25, 3.0, 30.0])


def test_the_last_factor_varies_fastest(shapes3d):
    np.testing.assert_array_equal(shapes3d.grid.factors_of(np.array([1, 15]))[:, 4:], [[0, 1], [1, 0]])


def test_images_are_rgb_bytes(shapes3d):
    images = shapes3d.images(np.arange(0, 480_000, 47_777))
    assert images.dtype == np.uint8
    assert images.shape[1:] == shapes3d.image_shape == (64, 64, 3)


def test_no_indices_give_no_images(shapes3d):
    assert shapes3d.images(np.array([], np.int64)).shape == (0, 64, 64, 3)


def test_images_do_not_depend_on_the_order_of_the_indices(shapes3d):
    block = shapes3d.images(np.arange(200_000, 200_500))
    order = np.random.default_rng(0).permutation(500)
    np.testing.assert_array_equal(shapes3d.images(200_000 + order), block[order])


def test_the_mean_colour_is_close_to_that_of_the_official_file(shapes3d):
    images = shapes3d.images(np.random.default_rng(0).integers(0, 480_000, 2000))
    np.testing.assert_allclose(images.mean((0, 1, 2)) / 255, [0.5026, 0.5788, 0.6034], atol=0.04)


def test_the_sky_is_light_blue_and_never_changes(shapes3d):
    images = shapes3d.images(np.random.default_rng(1).integers(0, 480_000, 100))
    np.testing.assert_array_equal(images[:, :8, :8], np.broadcast_to([153, 226, 249], (100, 8, 8, 3)))


def test_each_hue_changes_only_its_own_region(shapes3d):
    base, floor, wall, thing = drawn(shapes3d, MIDDLE, *[with_factor(column, 8, MIDDLE) for column in range(3)])
    changed = [(image != base).any(-1) for image in (floor, wall, thing)]
    assert changed[0][60, 4]
    assert changed[1][30, 4]
    assert changed[2][45, 32]
    overlap = sum(mask.astype(int) for mask in changed) > 1
    assert overlap.sum() < 200  # pixels on an edge between two regions
    assert not any(mask[:8].any() for mask in changed)


def test_hues_follow_the_colour_wheel(shapes3d):
    for hue, dominant in ((0, 0), (3, 1), (7, 2)):
        for column, (row, place) in enumerate([(58, 12), (30, 4), (46, 32)]):
            assert drawn(shapes3d, with_factor(column, hue))[0][row, place].argmax() == dominant


@pytest.mark.parametrize("shape", range(4))
def test_the_area_increases_with_the_scale(shapes3d, shape):
    areas = [object_mask(shapes3d, shape=shape, scale=scale).sum() for scale in range(8)]
    assert (np.diff(areas) > 0).all()


def test_shapes_differ_in_outline(shapes3d):
    cube, cylinder, sphere, capsule = (object_mask(shapes3d, shape=shape) for shape in range(4))
    heights = [mask.any(1).sum() for mask in (cube, cylinder, sphere, capsule)]
    assert heights[3] == max(heights)
    assert cube[cube.any(1)][1].sum() > 3 * sphere[sphere.any(1)][0].sum() / 2
    assert (cube != cylinder).any()


@pytest.mark.parametrize("shape", [1, 2, 3])
def test_round_objects_look_the_same_from_every_orientation(shapes3d, shape):
    masks = [object_mask(shapes3d, shape=shape, orientation=orientation) for orientation in (0, 7, 14)]
    np.testing.assert_array_equal(masks[0], masks[1])
    np.testing.assert_array_equal(masks[0], masks[2])


def test_every_orientation_gives_a_different_image(shapes3d):
    images = drawn(shapes3d, *[with_factor(5, orientation) for orientation in range(15)])
    assert (np.abs(np.diff(images, axis=0)).max((1, 2, 3)) > 0).all()


def test_the_object_casts_a_shadow_to_the_right(shapes3d):
    image, mask = drawn(shapes3d, with_factor(4, 2))[0], object_mask(shapes3d, shape=2)
    dark = (image[..., 0] < 120) & (image[..., 1:].max(-1) < 20) & ~mask
    assert dark.sum() > 10
    assert np.nonzero(dark)[1].mean() > 32


def test_the_provenance_names_the_renderer_and_its_version(shapes3d):
    assert shapes3d.provenance() == {"source": "renderer", "renderer": "shapes3d", "version": "1"}
