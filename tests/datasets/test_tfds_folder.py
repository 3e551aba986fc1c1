"""Readers of folders prepared by tensorflow_datasets, which prepares small ones here without TensorFlow."""

import hashlib
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from perturb.config import DatasetConfig
from perturb.datasets import open_ground_truth
from perturb.datasets.ground_truth import FactorGrid
from perturb.datasets.readers.tfds import DSpritesFolder, Shapes3DFolder
from perturb.errors import UserError

pytest.importorskip("tensorflow_datasets", reason="the extra tfds, which `make test` installs")
SPRITES = FactorGrid(("shape", "scale", "orientation", "x_position", "y_position"), (2, 1, 3, 2, 4))
SCENES = FactorGrid(("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation"), (2, 1, 2, 2, 1, 3))
KINDS = {"sprites": (DSpritesFolder, SPRITES), "scenes": (Shapes3DFolder, SCENES)}


def pictures(grid: FactorGrid) -> np.ndarray:
    channels, levels = (1, 2) if grid == SPRITES else (3, 256)
    return np.random.default_rng(0).integers(0, levels, (grid.num_images, 64, 64, channels)).astype(np.uint8)


def png(image: np.ndarray) -> io.BytesIO:
    content = io.BytesIO()
    Image.fromarray(image.squeeze()).save(content, "PNG")
    content.seek(0)
    return content


def examples(grid: FactorGrid) -> list[dict]:
    """Examples like those of tensorflow_datasets' builders, with images already encoded as PNG to avoid TensorFlow."""
    names = [f"label_{name}" for name in grid.names]
    rows = zip(pictures(grid), grid.factors_of(np.arange(grid.num_images)).tolist(), strict=True)
    return [{"image": png(picture)} | dict(zip(names, row, strict=True)) | {"value_shape": 0.5} for picture, row in rows]


def prepare(folder: Path, grid: FactorGrid, made: list[dict]) -> Path:
    """Prepare a dataset and return the folder of its version."""
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    labels = {f"label_{key}": tfds.features.ClassLabel(num_classes=size) for key, size in zip(grid.names, grid.sizes)}
    features = {
        "image": tfds.features.Image(shape=(64, 64, pictures(grid).shape[-1])),
        "value_shape": tfds.features.Tensor(shape=[], dtype=np.float32),
    }

    class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        name = "tiny"
        VERSION = tfds.core.Version("2.0.0")

        def _info(self):
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features | labels))

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            yield from enumerate(made)

    Builder(data_dir=folder, file_format="array_record").download_and_prepare()
    return folder / "tiny" / "2.0.0"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Prepared folders of both datasets."""
    root = tmp_path_factory.mktemp("tfds")
    return {kind: prepare(root / kind, grid, examples(grid)) for kind, (_, grid) in KINDS.items()}


def changed(prepared: dict[str, Path], kind: str, target: Path, name: str, *keys: str | int, value: object) -> Path:
    """Copy a folder with one value of a JSON file changed."""
    folder = shutil.copytree(prepared[kind], target)
    content = json.loads((folder / name).read_text())
    place = content
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    (folder / name).write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_shuffled_examples_are_returned_in_grid_order(prepared, kind, monkeypatch):
    monkeypatch.setattr("perturb.datasets.readers.tfds.BLOCK", 7)
    reader, grid = KINDS[kind]
    truth = reader(prepared[kind], grid=grid)
    expected = pictures(grid) * np.uint8(255 if truth.binary else 1)
    for order in (np.arange(grid.num_images), np.array([5, 3, 5, 20, 0]), np.array([], np.int64)):
        images = truth.images(order)
        assert images.dtype == np.uint8
        np.testing.assert_array_equal(images, expected[order])
    order = [tuple(example[f"label_{name}"] for name in grid.names) for example in truth._examples(np.arange(20))]
    assert order != sorted(order), "tensorflow_datasets must have shuffled, or this test proves nothing"
    with pytest.raises(ValueError, match="`indices` must lie in 0 …"):
        truth.images(np.array([grid.num_images]))


def test_the_folder_is_recorded_by_the_digest_of_its_files_digests(prepared):
    folder = prepared["sprites"]
    files = sorted(folder.iterdir())
    assert len(files) == 3
    printed = "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files)
    found = DSpritesFolder(folder, grid=SPRITES).provenance()
    assert found == {"source": "file", "path_name": "2.0.0", "sha256": hashlib.sha256(printed.encode()).hexdigest()}


def test_a_config_that_names_a_folder_uses_the_folder_reader(prepared, tmp_path):
    with pytest.raises(UserError, match=r"2\.0\.0: its split train must have 737280 examples, got 48; get the folder"):
        open_ground_truth(DatasetConfig(name="dsprites", path=prepared["sprites"]))
    with pytest.raises(UserError, match=r"2\.0\.0: its split train must have 480000 examples, got 24; get the folder"):
        open_ground_truth(DatasetConfig(name="shapes3d", path=prepared["scenes"]))
    with pytest.raises(UserError, match="must be a folder of a version that tensorflow_datasets has prepared, with data"):
        open_ground_truth(DatasetConfig(name="shapes3d", path=prepared["scenes"].parent))


@pytest.mark.parametrize("kind", KINDS)
def test_a_duplicated_example_is_refused(tmp_path, kind, monkeypatch):
    reader, grid = KINDS[kind]
    made = examples(grid)
    made[7] = made[9] | {"image": png(pictures(grid)[7])}
    folder = prepare(tmp_path, grid, made)
    for block in (4096, 3):
        monkeypatch.setattr("perturb.datasets.readers.tfds.BLOCK", block)
        labels = r", ".join(str(label) for label in grid.factors_of(np.array([9]))[0])
        with pytest.raises(UserError, match=rf"it has the labels \[{labels}\] twice, and others never"):
            reader(folder, grid=grid).images(np.array([0]))


def test_grey_sprites_and_images_of_another_size_are_refused(tmp_path):
    grey, small = examples(SPRITES), examples(SPRITES)
    grey[3]["image"] = png(np.full((64, 64), 255, np.uint8))
    small[3]["image"] = png(np.zeros((32, 64), np.uint8))
    with pytest.raises(UserError, match="its images must hold 0 and 1 only, got 255"):
        DSpritesFolder(prepare(tmp_path / "grey", SPRITES, grey), grid=SPRITES).images(np.array([0]))
    with pytest.raises(UserError, match=r"its images must be PNG of the size \(64, 64, 1\), and one is not"):
        DSpritesFolder(prepare(tmp_path / "small", SPRITES, small), grid=SPRITES).images(np.array([0]))


@pytest.mark.parametrize(
    ("name", "keys", "value", "pattern"),
    [
        ("dataset_info.json", ("fileFormat",), "tfrecord", "must be prepared with file_format='array_record', got 'tf"),
        ("dataset_info.json", ("splits", 0, "shardLengths"), ["47"], "its split train must have 48 examples, got 47"),
        ("dataset_info.json", ("splits", 0, "name"), "test", "its split train must have 48 examples, got 0"),
        ("dataset_info.json", ("splits", 0, "filepathTemplate"), "../{SPLIT}", r"its files must be named .* got \.\./\{S"),
        ("dataset_info.json", ("splits",), 3, "must be a folder of a version that tensorflow_datasets has prepared"),
        ("features.json", ("pythonClassName",), "antigravity.X", r"must be classes of .*, got antigravity\.X"),
        (
            "features.json", ("featuresDict", "features", "value_shape"),
            {"sequence": {"feature": {"pythonClassName": "antigravity.X"}}}, r"must be classes of .*, got antigravity\.X",
        ),
        (
            "features.json", ("featuresDict", "features", "label_shape", "classLabel", "numClasses"), "3",
            r"must be of sizes \(64, 64, 1\) and \(2, 1, 3, 2, 4\), got \(64, 64, 1\) and \(3, 1, 3, 2, 4\)",
        ),
        ("features.json", ("featuresDict", "features"), {}, "must be a folder of a version"),
        ("features.json", ("featuresDict",), [], "must be a folder of a version"),
    ],
)  # fmt: skip
def test_other_formats_and_features_are_refused_before_any_class_is_imported(prepared, tmp_path, name, keys, value, pattern):
    folder = changed(prepared, "sprites", tmp_path / "2.0.0", name, *keys, value=value)
    with pytest.raises(UserError, match=pattern):
        DSpritesFolder(folder, grid=SPRITES)
    assert "antigravity" not in sys.modules


def test_damaged_and_missing_examples_are_refused(prepared, tmp_path):
    folder = shutil.copytree(prepared["sprites"], tmp_path / "2.0.0")
    (shard,) = folder.glob("*array_record*")
    content = shard.read_bytes()
    flipped = bytearray(content)
    flipped[1000] ^= 0xFF
    for damaged in (bytes(flipped), content[: len(content) // 2], b"", None):
        shard.unlink() if damaged is None else shard.write_bytes(damaged)
        with pytest.raises(UserError, match=r"2\.0\.0: its examples are damaged, (and lack|or not)"):
            DSpritesFolder(folder, grid=SPRITES).images(np.array([0]))
    (folder / "features.json").write_text("[" * 100_000)
    with pytest.raises(UserError, match="must be a folder of a version"):
        DSpritesFolder(folder, grid=SPRITES)
    with pytest.raises(UserError, match=r"absent: there is no such folder; get it from tensorflow_datasets, or leave out"):
        DSpritesFolder(tmp_path / "absent", grid=SPRITES)


@pytest.mark.parametrize("package", ["tensorflow_datasets", "array_record"])
def test_a_missing_package_is_reported_with_the_extra_that_installs_it(prepared, monkeypatch, package):
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        UserError,
        match=rf"{package}.* is not installed, and reads .*; `pip install '\.\[tfds\]'` in a clone of perturb adds it",
    ):
        DSpritesFolder(prepared["sprites"], grid=SPRITES)


def test_tensorflow_is_not_imported(prepared):
    code = (
        "import sys, pathlib, numpy as np\n"
        "from perturb.datasets.readers.tfds import Shapes3DFolder\n"
        "from perturb.datasets.ground_truth import FactorGrid\n"
        f"grid = FactorGrid({SCENES.names!r}, {SCENES.sizes!r})\n"
        "print(Shapes3DFolder(pathlib.Path(sys.argv[1]), grid=grid).images(np.arange(24)).sum())\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    command = [sys.executable, "-c", code, str(prepared["scenes"])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert int(done.stdout) == pictures(SCENES).sum(dtype=np.int64)
