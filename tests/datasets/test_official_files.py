"""Readers of the published dSprites and Shapes3D files, on small files with the same layout."""

import hashlib
import io
import re
import zipfile

import h5py
import numpy as np
import pytest

from perturb.datasets.ground_truth import FactorGrid
from perturb.datasets.readers.official import DSPRITES_URL, SHAPES3D_URL, DSpritesFile, Shapes3DFile
from perturb.datasets.renderers.shapes3d import FACTOR_VALUES
from perturb.errors import UserError

SPRITES = FactorGrid(("shape", "scale", "orientation", "x_position", "y_position"), (2, 1, 3, 2, 4))
SCENES = FactorGrid(("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation"), (2, 1, 2, 2, 1, 3))


def sprite_arrays():
    images = np.random.default_rng(0).integers(0, 2, (SPRITES.num_images, 64, 64)).astype(np.uint8)
    classes = np.insert(SPRITES.factors_of(np.arange(SPRITES.num_images)), 0, 0, axis=1)
    return {"imgs": images, "latents_classes": classes}


def scene_arrays():
    images = np.random.default_rng(1).integers(0, 256, (SCENES.num_images, 64, 64, 3)).astype(np.uint8)
    classes = SCENES.factors_of(np.arange(SCENES.num_images))
    labels = np.stack([values[column] for values, column in zip(FACTOR_VALUES, classes.T, strict=True)], axis=1)
    return {"images": images, "labels": labels}


def write_hdf5(path, arrays):
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            chunks = (5, 2, 4) if name == "imgs" else True
            file.create_dataset(name, data=array, chunks=chunks, compression="gzip")
    return path


def write_published_hdf5(path, arrays):
    """Write a file with its classes in a group, where tensorflow_datasets' builder reads them in the published file."""
    renamed = {"latents_classes": "latents/classes"}
    return write_hdf5(path, {renamed.get(name, name): array for name, array in arrays.items()})


def write_npz(path, arrays):
    """Write an archive with an additional pickled member, like the official file."""
    np.savez_compressed(path, **arrays, metadata=np.array({"author": "x"}, dtype=object))
    return path


def write_sprites(folder, suffix, arrays):
    return (write_npz if suffix == ".npz" else write_hdf5)(folder / f"sprites{suffix}", arrays)


def open_sprites(path, **options):
    return DSpritesFile(path, **{"check": False, "grid": SPRITES, **options})


def open_scenes(path, **options):
    return Shapes3DFile(path, **{"check": False, "grid": SCENES, **options})


@pytest.mark.parametrize("suffix", [".npz", ".hdf5"])
def test_sprites_are_returned_as_black_and_white_images(tmp_path, suffix, monkeypatch):
    monkeypatch.setattr("perturb.datasets.readers.official.BLOCK", 7)
    arrays = sprite_arrays()
    sprites = open_sprites(write_sprites(tmp_path, suffix, arrays))
    order = np.random.default_rng(2).integers(0, SPRITES.num_images, 70)
    images = sprites.images(order)
    assert images.dtype == np.uint8
    assert images.shape == (70, *sprites.image_shape)
    np.testing.assert_array_equal(images[..., 0], 255 * arrays["imgs"][order])
    assert sprites.images(np.array([], np.int64)).shape == (0, 64, 64, 1)
    assert sprites.values_of(np.array([SPRITES.num_images - 1]))[0, 0] == 2.0


def test_classes_of_the_published_hdf5_file_are_read_from_their_group(tmp_path):
    arrays = sprite_arrays()
    sprites = open_sprites(write_published_hdf5(tmp_path / "sprites.hdf5", arrays))
    np.testing.assert_array_equal(sprites.images(np.arange(5))[..., 0], 255 * arrays["imgs"][:5])
    arrays["latents_classes"] = arrays["latents_classes"][::-1]
    with pytest.raises(UserError, match="must run through the grid in order"):
        open_sprites(write_published_hdf5(tmp_path / "other.hdf5", arrays))


def test_scenes_are_returned_in_the_requested_order(tmp_path):
    arrays = scene_arrays()
    scenes = open_scenes(write_hdf5(tmp_path / "3dshapes.h5", arrays))
    for order in (np.array([5, 3, 5, 20, 0]), np.arange(4, 11), np.arange(10, 3, -1), np.array([], np.int64)):
        images = scenes.images(order)
        assert images.dtype == np.uint8
        assert images.shape == (len(order), *scenes.image_shape)
        np.testing.assert_array_equal(images, arrays["images"][order])


@pytest.mark.parametrize("index", [-1, SCENES.num_images])
def test_an_index_outside_the_grid_is_refused(tmp_path, index):
    scenes = open_scenes(write_hdf5(tmp_path / "3dshapes.h5", scene_arrays()))
    with pytest.raises(ValueError, match=r"`indices` must lie in 0 … 23, got"):
        scenes.images(np.array([index]))
    sprites = open_sprites(write_npz(tmp_path / "sprites.npz", sprite_arrays()))
    with pytest.raises(ValueError, match=r"`indices` must lie in 0 … 47, got"):
        sprites.images(np.array([-1]))


def test_the_right_sha256_is_accepted_and_recorded(tmp_path):
    path = write_hdf5(tmp_path / "3dshapes.h5", scene_arrays())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    scenes = open_scenes(path, check=True, sha256=digest)
    assert scenes.provenance() == {"source": "file", "path_name": "3dshapes.h5", "sha256": digest}
    path = write_npz(tmp_path / "sprites.npz", sprite_arrays())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert open_sprites(path, check=True).provenance()["sha256"] == digest


def test_a_wrong_sha256_is_refused(tmp_path):
    scenes, sprites = scene_arrays(), sprite_arrays()
    for opened, path, url in (
        (open_scenes, write_hdf5(tmp_path / "3dshapes.h5", scenes), SHAPES3D_URL),
        (open_sprites, write_hdf5(tmp_path / "sprites.hdf5", sprites), DSPRITES_URL),
    ):
        with pytest.raises(UserError, match=rf"{re.escape(str(path))}: sha256 must be \w{{64}}, got \w{{64}}; .*{url}"):
            opened(path, check=True)


@pytest.mark.parametrize(
    ("opened", "name", "url"),
    [
        (open_sprites, "a.npz", DSPRITES_URL),
        (open_sprites, "a.hdf5", DSPRITES_URL),
        (open_scenes, "a.h5", SHAPES3D_URL),
    ],
)
def test_a_missing_file_is_reported_with_its_url_and_that_it_is_optional(tmp_path, opened, name, url):
    pattern = rf"{name}: there is no such file; get it from {url}, or leave out the path in the \[dataset\] section"
    with pytest.raises(UserError, match=pattern):
        opened(tmp_path / name)


@pytest.mark.parametrize("suffix", [".npz", ".hdf5"])
def test_another_layout_of_sprites_is_refused(tmp_path, suffix):
    arrays = sprite_arrays()
    cases = {
        r"`imgs` must be uint8 \(48, 64, 64\), got uint8 \(47, 64, 64\)": {**arrays, "imgs": arrays["imgs"][:47]},
        r"`imgs` must be uint8 .*, got float32": {**arrays, "imgs": arrays["imgs"].astype(np.float32)},
        r"`latents_classes` must be int64 \(48, 6\), got int64 \(48, 5\)": {
            **arrays,
            "latents_classes": arrays["latents_classes"][:, 1:],
        },
        "`latents_classes` must run through the grid in order": {
            **arrays,
            "latents_classes": arrays["latents_classes"][::-1].copy(),
        },
        "latents_classes`": {"imgs": arrays["imgs"]},
    }
    for pattern, changed in cases.items():
        with pytest.raises(UserError, match=pattern):
            open_sprites(write_sprites(tmp_path, suffix, changed))


@pytest.mark.parametrize("suffix", [".npz", ".hdf5"])
def test_grey_sprites_are_refused(tmp_path, suffix):
    arrays = sprite_arrays()
    arrays["imgs"][3, 4, 5] = 255
    sprites = open_sprites(write_sprites(tmp_path, suffix, arrays))
    with pytest.raises(UserError, match="`imgs` must hold 0 and 1 only, got 255"):
        sprites.images(np.array([0]))


def test_another_layout_of_scenes_is_refused(tmp_path):
    arrays = scene_arrays()
    cases = {
        r"`images` must be uint8 \(24, 64, 64, 3\), got uint8": {**arrays, "images": arrays["images"][..., :1]},
        "`labels` must be float64 .*, got int64": {**arrays, "labels": arrays["labels"].astype(np.int64)},
        "`labels` must run through the grid in order": {**arrays, "labels": arrays["labels"][::-1]},
        r"must have the array `labels`, got \['images'\]": {"images": arrays["images"]},
    }
    for pattern, changed in cases.items():
        with pytest.raises(UserError, match=pattern):
            open_scenes(write_hdf5(tmp_path / "3dshapes.h5", changed))


@pytest.mark.parametrize("name", ["a.npz", "a.hdf5"])
def test_a_file_of_another_format_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"neither of them")
    with pytest.raises(UserError, match=rf"{name}: must be an (archive|HDF5 file).*cannot be (read|opened)"):
        open_sprites(tmp_path / name)


def test_a_truncated_archive_is_refused(tmp_path):
    """The header promises more images than follow."""
    arrays = sprite_arrays()
    member = io.BytesIO()
    np.lib.format.write_array(member, arrays["imgs"])
    classes = io.BytesIO()
    np.lib.format.write_array(classes, arrays["latents_classes"])
    with zipfile.ZipFile(tmp_path / "sprites.npz", "w") as archive:
        archive.writestr("imgs.npy", member.getvalue()[: -3 * 4096])
        archive.writestr("latents_classes.npy", classes.getvalue())
    sprites = open_sprites(tmp_path / "sprites.npz")
    with pytest.raises(UserError, match="`imgs` must hold 48 images, got 45"):
        sprites.images(np.array([0]))


def test_an_archive_written_by_python_2_is_read_without_a_warning(tmp_path):
    """Python 2 wrote its long integers with an L, as in the published archive."""
    arrays = sprite_arrays()
    with zipfile.ZipFile(tmp_path / "sprites.npz", "w") as archive:
        for name, array in arrays.items():
            shape = ", ".join(f"{n}L" for n in array.shape)
            header = f"{{'descr': '{array.dtype.str}', 'fortran_order': False, 'shape': ({shape},), }}"
            header = header.ljust(-(len(header) + 11) % 16 + len(header)) + "\n"
            start = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
            archive.writestr(f"{name}.npy", start + np.ascontiguousarray(array).tobytes())
    sprites = open_sprites(tmp_path / "sprites.npz")
    indices = np.arange(sprites.grid.num_images)
    assert np.array_equal(sprites.images(indices)[..., 0], 255 * arrays["imgs"])
