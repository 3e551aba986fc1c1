"""Our files read by unmodified loaders of other packages, and by h5py and torch.utils.data."""

import multiprocessing
import pickle
import re
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace

import h5py
import numpy as np
import pytest
import torch
from peers import disent_data, library_module
from small_files import SmallShapes, SmallSprites, images_of, write_small_file
from torch.utils.data import DataLoader

from perturb.benchmark.official import write_official
from perturb.datasets import GroundTruth
from perturb.distribution.card import render_card
from perturb.distribution.export_dlib import ARCHIVES, export
from perturb.distribution.listing import list_folder

TRUTHS = {"dsprites": SmallSprites, "shapes3d": SmallShapes}
VARIANTS = "original", "modified", "noise"
CASES = [(name, variant) for name in TRUTHS for variant in VARIANTS]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One folder per dataset with a file of each variant."""
    made = {name: tmp_path_factory.mktemp(name) for name in TRUTHS}
    for name, variant in CASES:
        write_small_file(made[name] / f"{variant}.h5", TRUTHS[name](), variant)
    return made


def _expected(truth: GroundTruth, variant: str) -> np.ndarray:
    """All images, float32 (n, height, width, channels) in [0, 1]."""
    return images_of(truth, variant, np.arange(truth.grid.num_images)).astype(np.float32) / 255


def _disent_class(disent: ModuleType, name: str, path: Path) -> type:
    """disent's own dataset class reading another file, without downloading or checking it."""
    datafile = import_module("disent.dataset.util.datafile").DataFile(path.name)
    base = {"dsprites": disent.DSpritesData, "shapes3d": disent.Shapes3dData}[name]
    datafile.dataset_name = base.datafile.dataset_name
    return type("Ours", (base,), {"name": ".", "datafile": datafile, "factor_sizes": TRUTHS[name].grid.sizes})


@pytest.mark.parametrize(("name", "variant"), CASES)
@pytest.mark.parametrize("in_memory", [False, True])
@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable:UserWarning")
def test_disents_own_classes_read_every_image(folders: dict[str, Path], name: str, variant: str, in_memory: bool) -> None:
    disent, truth = disent_data(), TRUTHS[name]()
    transform = import_module("disent.dataset.transform").ToImgTensorF32()
    ours = _disent_class(disent, name, folders[name] / f"{variant}.h5")
    data = ours(data_root=str(folders[name]), in_memory=in_memory, transform=transform)
    assert (len(data), data.size) == (truth.grid.num_images, truth.grid.num_images)
    images = torch.stack([data[number] for number in range(len(data))]).movedim(1, -1).numpy()
    assert np.array_equal(images, _expected(truth, variant))
    factors = truth.grid.factors_of(np.arange(len(data)))
    assert np.array_equal(data.idx_to_pos(np.arange(len(data))), factors)
    if not in_memory:
        data._data.close()


def test_disents_file_survives_pickling_as_its_workers_require(folders: dict[str, Path]) -> None:
    raw = disent_data().Hdf5Dataset(str(folders["shapes3d"] / "modified.h5"), "images")
    again = pickle.loads(pickle.dumps(raw))
    assert np.array_equal(again[7], raw[7])
    assert again.shape == (480, 64, 64, 3)
    raw.close(), again.close()


@pytest.mark.parametrize(("name", "variant"), CASES)
def test_disentanglement_libs_own_classes_return_every_image(
    folders: dict[str, Path], name: str, variant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("disentanglement_lib")
    truth, told = TRUTHS[name](), []
    export(folders[name] / f"{variant}.h5", tmp_path / ARCHIVES[name], report=lambda done, total: told.append((done, total)))
    data = _library_class(name, tmp_path, monkeypatch)
    factors = truth.grid.factors_of(np.arange(truth.grid.num_images))
    handed_out = data.sample_observations_from_factors(factors, np.random.RandomState(0))
    assert handed_out.dtype == np.float32
    assert np.array_equal(handed_out, _expected(truth, variant))
    assert told[-1] == (len(factors), len(factors))
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [Path(ARCHIVES[name]).name]


def _library_class(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    module = library_module(name, monkeypatch, data=str(folder))
    return module.DSprites([1, 2, 3, 4, 5]) if name == "dsprites" else module.Shapes3D()


def test_images_sampled_by_disentanglement_lib_match_their_factors(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("disentanglement_lib")
    export(folders["dsprites"] / "modified.h5", tmp_path / ARCHIVES["dsprites"])
    data = _library_class("dsprites", tmp_path, monkeypatch)
    factors, images = data.sample(200, np.random.RandomState(3))
    numbers = SmallSprites.grid.indices_of(factors)
    assert len(set(numbers.tolist())) > 50
    assert np.array_equal(images, _expected(SmallSprites(), "modified")[numbers])


def test_an_official_file_of_zeros_and_ones_is_exported_as_integers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The values 0 and 1 of dSprites need no floats, which saves three quarters of the memory."""
    pytest.importorskip("disentanglement_lib")
    write_official(tmp_path / "official.h5", SmallSprites())
    export(tmp_path / "official.h5", tmp_path / ARCHIVES["dsprites"])
    data = _library_class("dsprites", tmp_path, monkeypatch)
    assert data.images.dtype == np.uint8
    factors = SmallSprites.grid.factors_of(np.arange(96))
    images = data.sample_observations_from_factors(factors, np.random.RandomState(0))
    assert np.array_equal(images, _expected(SmallSprites(), "original"))


@pytest.mark.parametrize(("name", "variant"), CASES)
def test_h5py_alone_reads_images_and_labels_of_any_row(folders: dict[str, Path], name: str, variant: str) -> None:
    truth, keys = TRUTHS[name](), {"dsprites": ("imgs", "latents_values"), "shapes3d": ("images", "labels")}[name]
    rows = np.array([0, 3, 50, 95])
    with h5py.File(folders[name] / f"{variant}.h5") as file:
        images, values = (file[key][rows] for key in keys)
        assert [list(file[keys[0]][int(row)].shape) for row in rows] == [list(images.shape[1:])] * 4
    assert np.array_equal(images.reshape(4, *truth.image_shape), images_of(truth, variant, rows))
    assert np.array_equal(values[:, -truth.grid.num_factors :], truth.values_of(rows))


@pytest.fixture
def card_module(folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The PyTorch code of the card as a module that data loader workers can import."""
    card = render_card(list_folder(folders["shapes3d"]))
    blocks = re.findall(r"^```python\n(.*?)^```$", card, re.MULTILINE | re.DOTALL)
    (code,) = [block for block in blocks if "DataLoader" in block]
    (tmp_path / "images_of_the_card.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return import_module("images_of_the_card")


@pytest.mark.parametrize(("start", "workers"), [("fork", 2), ("spawn", 1)])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_data_loader_workers_see_every_image_once_per_epoch(
    folders: dict[str, Path], card_module: ModuleType, start: str, workers: int
) -> None:
    data = card_module.Images(str(folders["shapes3d"] / "noise.h5"))
    data[0]  # open the file in this process before the workers start
    loader = DataLoader(
        data, batch_size=64, shuffle=True, generator=torch.Generator().manual_seed(0), num_workers=workers,
        multiprocessing_context=multiprocessing.get_context(start), persistent_workers=True,
    )  # fmt: skip
    truth = SmallShapes()
    expected, values = _expected(truth, "noise"), truth.values_of(np.arange(480))
    by_value = {tuple(row): number for number, row in enumerate(values.tolist())}
    orders = []
    for _ in range(2):
        batches = list(loader)
        numbers = np.array([by_value[tuple(row)] for _, labels in batches for row in labels.tolist()])
        images = torch.cat([images for images, _ in batches]).movedim(1, -1).numpy()
        assert np.array_equal(np.sort(numbers), np.arange(480))
        assert np.array_equal(images, expected[numbers])
        orders.append(numbers)
    assert not np.array_equal(*orders)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_tensorflow_datasets_reader_yields_every_dsprites_image(folders: dict[str, Path], variant: str) -> None:
    pytest.importorskip("tensorflow_datasets")
    builder = import_module("tensorflow_datasets.datasets.dsprites.dsprites_dataset_builder").Builder
    path, truth = folders["dsprites"] / f"{variant}.h5", SmallSprites()
    factors = truth.grid.factors_of(np.arange(truth.grid.num_images))
    examples = [example for _, example in builder._generate_examples(SimpleNamespace(version="2.0.1"), path)]
    assert np.array_equal(np.stack([example["image"] for example in examples]) / np.float32(255), _expected(truth, variant))
    for name, column in zip(truth.grid.names, factors.T, strict=True):
        assert [example[f"label_{name}"] for example in examples] == column.tolist()
