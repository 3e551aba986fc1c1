import numpy as np

from perturb.datasets.pixels import Pixels
from perturb.datasets.renderers.mini import HUES, Mini, MiniClosed
from perturb.datasets.saved_images import MappedGroundTruth

MINI = Mini()
INDICES = np.arange(MINI.grid.num_images)


def test_the_grid_and_the_images_have_the_documented_shape() -> None:
    assert MINI.grid.sizes == (8, 8, 8, 8)
    images = MINI.images(INDICES[:5])
    assert images.shape == (5, 32, 32, 3)
    assert images.dtype == np.uint8


def test_all_images_differ() -> None:
    assert len({image.tobytes() for image in MINI.images(INDICES)}) == 4096


def test_the_last_factor_varies_fastest() -> None:
    assert MINI.grid.factors_of(np.array([1, 8, 4095])).tolist() == [[0, 0, 0, 1], [0, 0, 1, 0], [7, 7, 7, 7]]
    assert MINI.grid.indices_of(MINI.grid.factors_of(INDICES)).tolist() == INDICES.tolist()


def test_each_hue_changes_only_its_own_region() -> None:
    base = MINI.images(np.array([0]))[0].astype(int)
    regions = [(30, 2), (10, 2), (24, 16), (1, 16)]
    for factor, (row, column) in enumerate(regions):
        changed = MINI.images(MINI.grid.indices_of(np.eye(4, dtype=int)[factor : factor + 1] * 5))[0].astype(int)
        moved = [bool(np.abs(changed - base)[r, c].any()) for r, c in regions]
        assert moved == [i == factor for i in range(4)]
        assert np.abs(changed - base)[row, column].max() > 50


def test_the_variances_induced_by_the_hues_are_well_separated() -> None:
    """The variances must differ for a β-VAE to be able to align with the factors."""
    images = MINI.images(INDICES).reshape(8, 8, 8, 8, -1) / 255
    induced = [images.mean(axis=tuple(set(range(4)) - {factor})).var(axis=0).sum() for factor in range(4)]
    ordered = np.sort(induced)
    assert (ordered[1:] / ordered[:-1]).min() > 1.25


def test_in_the_closed_scene_the_last_hue_is_adjacent_to_the_first() -> None:
    images = MiniClosed().images(INDICES).reshape(8, 8, 8, 8, -1).astype(int)
    for factor, closed in enumerate((True, True, True, False)):
        along = np.moveaxis(images, factor, 0)
        step, back = (np.square(along[a] - along[b]).sum(axis=-1).mean() for a, b in ((0, 1), (0, 7)))
        assert (back < 1.5 * step) == closed


def test_images_do_not_depend_on_the_order_of_the_indices() -> None:
    shuffled = np.random.default_rng(0).permutation(INDICES)[:100]
    assert np.array_equal(MINI.images(shuffled), MINI.images(INDICES)[shuffled])


def test_labels_are_hues() -> None:
    assert MINI.values_of(np.array([4095])).tolist() == [[HUES[-1]] * 4]


def test_memory_mapped_images_match_their_ground_truth() -> None:
    mapped = MappedGroundTruth(MINI, Pixels(MINI.images(INDICES)))
    numbers = np.array([7, 4000, 7])
    assert np.array_equal(mapped.images(numbers), MINI.images(numbers))
    assert mapped.provenance() == MINI.provenance()
    assert np.array_equal(mapped.values_of(numbers), MINI.values_of(numbers))
