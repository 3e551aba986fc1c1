"""Ground truths written in their authors' file formats, read back by our readers and as others read them."""

import io
from pathlib import Path

import h5py
import numpy as np
import pytest
from rich.console import Console
from small_files import SmallSprites

from perturb.benchmark.official import write_named, write_official
from perturb.benchmark.verify import verify
from perturb.cli.describe import described, table_of_datasets, table_of_vectors
from perturb.datasets import DATASETS, Mini, renderer_of
from perturb.datasets.readers.official import DSpritesFile
from perturb.datasets.synthetic import SYNTHETIC
from perturb.errors import UserError

ALL = np.arange(SmallSprites.grid.num_images)


def _text(*tables: object) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(*tables)
    return console.export_text()


@pytest.mark.parametrize("ending", ["npz", "hdf5", "h5"])
def test_a_dsprites_file_in_the_official_format_is_read_back_unchanged(tmp_path: Path, ending: str) -> None:
    path, told = tmp_path / f"dsprites.{ending}", []
    write_official(path, SmallSprites(), report=lambda done, total: told.append((done, total)))
    found = DSpritesFile(path, check=False, grid=SmallSprites.grid)
    assert np.array_equal(found.images(ALL), SmallSprites().images(ALL))
    assert told[-1] == (len(ALL), len(ALL))
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_disentanglement_libs_loader_finds_what_it_needs_in_the_archive(tmp_path: Path) -> None:
    """The lines are copied from its loader, which allows pickles to read the factor sizes."""
    write_official(tmp_path / "dsprites.npz", SmallSprites())
    with (tmp_path / "dsprites.npz").open("rb") as file:
        data = np.load(file, encoding="latin1", allow_pickle=True)
        images = np.array(data["imgs"])
        sizes = np.array(data["metadata"][()]["latents_sizes"], dtype=np.int64)
        assert np.array_equal(data["latents_values"][:, 0], np.ones(len(images)))
    assert sizes.tolist() == [1, *SmallSprites.grid.sizes]
    assert images.shape == (np.prod(sizes), 64, 64)
    assert np.unique(images).tolist() == [0, 1]


def test_rendered_files_pass_verification(tmp_path: Path) -> None:
    for name, truth in {"mini": Mini(), "sprites": SmallSprites()}.items():
        write_official(tmp_path / f"{name}.h5", truth)
        assert verify(tmp_path / f"{name}.h5", truth).largest_change == 0
    with h5py.File(tmp_path / "sprites.h5", "r+") as file:
        assert file["imgs"][:].max() == 1
        file.attrs["white"] = 0
    with pytest.raises(UserError, match="attribute `white` must be 1 or 255, got 0"):
        verify(tmp_path / "sprites.h5", SmallSprites())


def test_another_file_extension_is_refused_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--out must end in \.h5, \.hdf5 for mini, got mini\.npz"):
        write_official(tmp_path / "mini.npz", Mini())
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_target_is_reported_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"mini\.h5: cannot be written"):
        write_official(tmp_path / "file" / "mini.h5", Mini())


def test_the_list_shows_every_dataset_and_its_grid() -> None:
    text = _text(table_of_datasets())
    for name, dataset in DATASETS.items():
        grid = dataset.kind.grid
        assert name in text
        assert f"{grid.num_images:,}" in text
        assert all(f"{factor} {size}" in text for factor, size in zip(grid.names, grid.sizes, strict=True))


def test_synthetic_sets_are_listed_and_described() -> None:
    text = _text(table_of_vectors())
    for name, made in SYNTHETIC.items():
        assert name in text
        assert made.description in text
        assert "uniform on [0, 1)" in _text(*described(name))


def test_a_synthetic_set_is_written_as_two_arrays_without_pickles(tmp_path: Path) -> None:
    write_named(tmp_path / "a.npz", "synthetic_linear", seed=5)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as found:
        assert set(found) == {"observations", "factors"}
        factors, observations = SYNTHETIC["synthetic_linear"].sample(5)
        assert np.array_equal(found["factors"], factors)
        assert np.array_equal(found["observations"], observations)
    with pytest.raises(UserError, match=r"--out must end in \.npz for synthetic_linear, got a\.h5"):
        write_named(tmp_path / "a.h5", "synthetic_linear")
    with pytest.raises(UserError, match=r"a\.npz: cannot be written"):
        write_named(tmp_path / "a.npz" / "a.npz", "synthetic_linear")
    with pytest.raises(UserError, match=r"dataset must be among mini, .*, smallnorb, synthetic_linear, .*; got cars"):
        write_named(tmp_path / "b.npz", "cars")
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_a_rendered_dataset_is_written_by_its_name(tmp_path: Path) -> None:
    told = []
    write_named(tmp_path / "mini.h5", "mini", report=lambda done, total: told.append((done, total)))
    assert verify(tmp_path / "mini.h5", Mini()).images == told[-1][0] == 4_096


def test_a_dataset_is_described_by_its_factors_and_a_file_by_its_attributes(tmp_path: Path) -> None:
    assert "orientation │     15 │  -30 │   30" in _text(*described("shapes3d"))
    assert "azimuth   │     18 │    0 │ 340" in _text(*described("smallnorb"))
    write_official(tmp_path / "mini.h5", Mini())
    text = _text(*described(str(tmp_path / "mini.h5")))
    assert "uint8 (4096, 32, 32, 3)" in text
    assert "renderer=mini" in text


def test_unknown_datasets_and_invalid_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cars is neither a dataset"):
        described("cars")
    with pytest.raises(
        UserError, match=r"dataset must be among mini, mini_closed, dsprites, shapes3d, mpi3d_toy, .*; got cars"
    ):
        renderer_of("cars")
    with pytest.raises(
        UserError, match=r"cars3d exists as its authors' file only, .*; perturb renders mini, mini_closed, dsprites, shap"
    ):
        renderer_of("cars3d")
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(UserError, match="cannot be read as HDF5"):
        described(str(tmp_path / "text.h5"))
