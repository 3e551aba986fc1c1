import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from small_files import SmallSprites

from perturb.benchmark.verify import verify_file
from perturb.config import DatasetConfig, load_experiment
from perturb.datasets import GroundTruth, grid_of, open_ground_truth
from perturb.datasets.hdf5.reader import MANIFEST, BenchmarkFile, cache_of, write_cache
from perturb.datasets.hdf5.writer import write_benchmark_file
from perturb.datasets.renderers.mini import Mini
from perturb.errors import UserError
from perturb.execution.local import run_locally
from perturb.execution.settings import run_settings
from perturb.files import read_json
from perturb.variants import VariantPattern

ATTRIBUTES = {"variant": "noise", "epsilon": 0.25}
SCATTERED = np.array([[4000, 3], [3, 17]])


def _written(path: Path, truth: GroundTruth, images_of: Callable | None = None, **attributes: object) -> Path:
    write_benchmark_file(path, truth, images_of or truth.images, attributes=ATTRIBUTES | attributes)
    return path


@pytest.fixture(scope="module")
def mini_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All images of the mini scene, inverted, so that rendering them instead would be noticed."""
    truth = Mini()
    return _written(tmp_path_factory.mktemp("files") / "x.h5", truth, lambda numbers: 255 - truth.images(numbers))


def _copy(path: Path, folder: Path) -> Path:
    return Path(shutil.copy2(path, folder))


def test_a_benchmark_file_is_a_ground_truth(mini_file: Path) -> None:
    found, truth = BenchmarkFile(mini_file), Mini()
    assert (found.name, found.layout, found.variant, found.grid) == ("mini", "shapes3d", "noise", truth.grid)
    assert found.image_shape == (32, 32, 3)
    assert all(np.array_equal(a, b) for a, b in zip(found.factor_values, truth.factor_values, strict=True))
    for numbers in (np.arange(100, 140), SCATTERED.ravel(), np.array([7]), np.array([], int)):
        assert np.array_equal(found.images(numbers), 255 - truth.images(numbers))
    assert found.provenance()["source"] == "benchmark file"


@pytest.mark.parametrize("number", [-1, 4096])
def test_an_image_index_outside_the_grid_is_refused(mini_file: Path, tmp_path: Path, number: int) -> None:
    path = _copy(mini_file, tmp_path)
    for prepare in (lambda path: None, write_cache):
        prepare(path)
        with pytest.raises(ValueError, match=f"`indices` must lie in 0 … 4095, got {min(0, number)} … {max(0, number)}"):
            BenchmarkFile(path).images(np.array([0, number]))


def test_a_config_may_name_a_benchmark_file(mini_file: Path) -> None:
    config = DatasetConfig(name="mini", path=mini_file)
    found = open_ground_truth(config)
    assert np.array_equal(found.images(np.array([7])), 255 - Mini().images(np.array([7])))
    assert grid_of(config) == Mini.grid
    with pytest.raises(UserError, match=r"x\.h5 is a benchmark file of mini, and dataset\.name is shapes3d"):
        open_ground_truth(DatasetConfig(name="shapes3d", path=mini_file))


def test_the_dsprites_layout_can_be_read(tmp_path: Path) -> None:
    sprites = SmallSprites()
    found = BenchmarkFile(_written(tmp_path / "x.h5", sprites))
    assert (found.name, found.layout, found.grid) == ("dsprites", "dsprites", sprites.grid)
    assert np.array_equal(found.images(np.arange(96)), sprites.images(np.arange(96)))
    assert np.array_equal(found.values_of(np.arange(96)), sprites.values_of(np.arange(96)))


def test_files_that_store_white_as_one_give_the_same_images(tmp_path: Path) -> None:
    sprites = SmallSprites()
    path = _written(tmp_path / "x.h5", sprites, lambda numbers: sprites.images(numbers) // 255, white=1)
    assert np.array_equal(BenchmarkFile(path).images(np.arange(96)), sprites.images(np.arange(96)))


def test_a_cache_is_used_and_gives_the_same_images(mini_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _copy(mini_file, tmp_path)
    folder = write_cache(path)
    assert folder == cache_of(path) == tmp_path / "x.h5.pixels"
    found = BenchmarkFile(path)
    assert np.array_equal(found.images(SCATTERED), 255 - Mini().images(SCATTERED.ravel()).reshape(2, 2, 32, 32, 3))
    monkeypatch.setattr(h5py, "File", None)
    assert np.array_equal(found.images(np.array([5])), 255 - Mini().images(np.array([5]))), "images must come from the cache"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.h5", "x.h5.pixels"]


def test_a_cache_is_reused_for_the_same_file_and_rebuilt_for_another(mini_file: Path, tmp_path: Path) -> None:
    path = _copy(mini_file, tmp_path)
    manifest = write_cache(path) / MANIFEST
    made = manifest.stat().st_mtime_ns
    write_cache(path)
    assert manifest.stat().st_mtime_ns == made
    _written(path, Mini())
    assert np.array_equal(BenchmarkFile(path).images(np.array([5])), Mini().images(np.array([5]))), (
        "an outdated cache must be ignored"
    )
    write_cache(path)
    assert read_json(manifest)["images_sha256"] == BenchmarkFile(path).images_sha256
    assert np.array_equal(BenchmarkFile(path).images(np.array([5])), Mini().images(np.array([5])))


def test_a_process_killed_while_unpacking_leaves_no_cache(mini_file: Path, tmp_path: Path) -> None:
    path = _copy(mini_file, tmp_path)
    code = f"""
import time
from pathlib import Path
from perturb.datasets.hdf5.reader import write_cache
def report(done, total):
    if done > 2000:
        print("half", flush=True); time.sleep(60)
write_cache(Path({str(path)!r}), report=report)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().strip() == "half"
        os.kill(process.pid, signal.SIGKILL)
    time.sleep(0.1)
    assert not cache_of(path).exists()
    write_cache(path)
    assert np.array_equal(BenchmarkFile(path).images(np.array([9])), 255 - Mini().images(np.array([9])))


def test_a_full_disk_is_reported_with_the_space_needed(
    mini_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, usage = _copy(mini_file, tmp_path), namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10**9, 10**9 - 10**7, 10**7))
    with pytest.raises(UserError, match=r"x\.h5\.pixels: needs up to 0\.01 GB, and .* has 0\.01 GB left; make room"):
        write_cache(path)
    assert list(tmp_path.iterdir()) == [path]


def _set(name: str, value: object) -> Callable[[h5py.File], None]:
    return lambda file: file.attrs.__setitem__(name, value)


def _elsewhere(file: h5py.File) -> None:
    del file["images"]
    file["images"] = h5py.ExternalLink("/etc/passwd", "images")


def _external(file: h5py.File) -> None:
    del file["images"]
    stored = [("/etc/passwd", 0, h5py.h5f.UNLIMITED)]
    file.create_dataset("images", (4096, 32, 32, 3), np.uint8, external=stored)


def _virtual(file: h5py.File) -> None:
    del file["images"]
    layout = h5py.VirtualLayout((4096, 32, 32, 3), np.uint8)
    layout[:] = h5py.VirtualSource("/elsewhere/other.h5", "images", (4096, 32, 32, 3))
    file.create_virtual_dataset("images", layout)


def _large_chunks(file: h5py.File) -> None:
    del file["labels"]
    file.create_dataset("labels", (4096, 4), float, chunks=(10**7, 4), maxshape=(None, 4))


def _hollow(file: h5py.File) -> None:
    del file["images"]
    file.create_dataset("images", (2**40, 32, 32, 3), np.uint8, chunks=(16, 32, 32, 3))
    file.attrs["factor_sizes"] = f"8,8,8,{2**31}"


def _floats(file: h5py.File) -> None:
    del file["images"]
    file["images"] = np.zeros((4096, 2, 2, 1))


def _empty(file: h5py.File) -> None:
    del file["images"]
    file["images"] = h5py.Empty(np.uint8)


def _labels_short(file: h5py.File) -> None:
    del file["labels"]
    file["labels"] = np.zeros((10, 4))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (_set("complete", False), "its attribute `complete` is not set"),
        (_set("complete", np.ones(3)), "its attribute `complete` is not set"),
        (_set("variant", ""), "attributes `dataset` and `variant` must say what it is"),
        (_set("epsilon", 2.0), r"attribute `epsilon` must be a number in \[0, 1\], got 2.0"),
        (_set("white", "x"), "attribute `white` must be 1 or 255, got x"),
        (_hollow, "`images` must be there in full, and most of its 3,377,699,720,527,872 bytes were never written"),
        (_set("white", 7), "attribute `white` must be 1 or 255, got 7"),
        (_set("factor_sizes", "4,4"), "`factor_names` and `factor_sizes` must name each factor"),
        (_set("factor_sizes", "8,8,8,x"), "`factor_names` and `factor_sizes` must name each factor"),
        (_set("factor_sizes", "8,8,8,0"), "`factor_names` and `factor_sizes` must name each factor"),
        (_set("factor_sizes", f"8,8,8,{10**16}"), r"`images` must hold 51\d+ images, got \(4096, 32, 32, 3\)"),
        (_set("factor_sizes", "8,8,8,9"), r"`images` must hold 4608 images, got \(4096, 32, 32, 3\)"),
        (_elsewhere, "must have the array `images` of type uint8 in itself"),
        (_external, "must have the array `images` of type uint8 in itself"),
        (_virtual, "must have the array `images` of type uint8 in itself"),
        (_floats, "must have the array `images` of type uint8 in itself"),
        (_empty, "must have the array `images` of type uint8 in itself"),
        (_large_chunks, "chunks of `labels` must have at most 67108864 bytes"),
        (_labels_short, r"`labels` must have a row an image and a column a factor, got \(10, 4\)"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(mini_file: Path, tmp_path: Path, change: Callable, sentence: str) -> None:
    path = _copy(mini_file, tmp_path)
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(UserError, match=sentence) as caught:
        BenchmarkFile(path)
    assert str(caught.value).endswith("make or download it again.")


def test_a_dsprites_file_without_latent_classes_is_refused(tmp_path: Path) -> None:
    path = _written(tmp_path / "x.h5", SmallSprites())
    with h5py.File(path, "r+") as file:
        del file["latents_classes"]
    with pytest.raises(UserError, match="must have the array `latents_classes` of type int64 in itself"):
        BenchmarkFile(path)


def test_a_missing_file_is_reported_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"x\.h5: there is no such file; name a benchmark file"):
        BenchmarkFile(tmp_path / "x.h5")


def test_attributes_arrays_blocks_and_labels_are_returned_as_stored(tmp_path: Path) -> None:
    sprites = SmallSprites()
    path = _written(tmp_path / "x.h5", sprites, lambda numbers: sprites.images(numbers) // 255, white=1, note=np.bytes_("a"))
    found = BenchmarkFile(path)
    assert (found.white, found.epsilon, found.attributes["note"], found.attributes["white"]) == (1, 0.25, "a", 1)
    assert found.arrays["imgs"] == ("uint8", (96, 64, 64))
    blocks = list(found.blocks(40, start=10))
    assert [block.shape for block in blocks] == [(40, 64, 64, 1), (40, 64, 64, 1), (6, 64, 64, 1)]
    assert np.array_equal(np.concatenate(blocks), sprites.images(np.arange(10, 96)) // 255)
    assert np.array_equal(found.read_labels()["latents_classes"][:, 1:], sprites.grid.factors_of(np.arange(96)))


@pytest.mark.parametrize(
    "damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"\x89HDF\r\n\x1a\n" + b"\xff" * 500]
)
def test_a_torn_file_is_refused(mini_file: Path, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "torn.h5"
    path.write_bytes(damage(mini_file.read_bytes()))
    with pytest.raises(UserError, match=r"torn\.h5: cannot be read as HDF5 \(.*\); make or download it again"):
        BenchmarkFile(path)


def test_a_flipped_bit_is_detected_when_its_image_is_read(mini_file: Path, tmp_path: Path) -> None:
    path = _copy(mini_file, tmp_path)
    with h5py.File(path) as file:
        place = file["images"].id.get_chunk_info(10).byte_offset + 100
    content = bytearray(path.read_bytes())
    content[place] ^= 16
    path.write_bytes(content)
    found = BenchmarkFile(path)
    with pytest.raises(UserError, match=r"x\.h5: is damaged \(.*\); make or download it again"):
        found.images(np.arange(4096))


def test_replacing_a_file_by_another_of_the_same_name_changes_the_config(
    mini_file: Path, tmp_path: Path, tiny_text: str
) -> None:
    path = _copy(mini_file, tmp_path)
    toml = tmp_path / "tiny.toml"
    toml.write_text(tiny_text.replace('name = "mini"', 'name = "mini"\npath = "x.h5"'))
    config = load_experiment(toml)
    assert config.dataset.sha256 == BenchmarkFile(path).images_sha256
    assert load_experiment(toml) == config
    _written(path, Mini())
    assert load_experiment(toml) != config
    with pytest.raises(UserError, match=r"x\.h5: has changed while the experiment was running"):
        open_ground_truth(config.dataset)


@pytest.mark.slow
def test_an_experiment_on_a_benchmark_file_runs_to_its_report(mini_file: Path, tmp_path: Path, tiny_text: str) -> None:
    path = _copy(mini_file, tmp_path)
    toml = tmp_path / "tiny.toml"
    toml.write_text(tiny_text.replace('name = "mini"', f'name = "mini"\npath = "{path}"'))
    settings = run_settings(artifacts=tmp_path / "artifacts", device="cpu", strategy="sequential", workers=1, stack=None)
    plan = run_locally(load_experiment(toml), settings)
    place = tmp_path / "artifacts" / "runs" / plan.files[VariantPattern("modified")].id / "modified.h5"
    assert verify_file(place, origin=path).images == 4096


@pytest.mark.parametrize(
    ("key", "value"), [("epsilon", 0.125), ("bound", "clip"), ("variant", "modified"), ("source", "else")]
)
def test_a_file_that_contradicts_its_embedded_recipe_is_refused(
    key: str, value: object, mini_file: Path, tmp_path: Path
) -> None:
    path, said = _copy(mini_file, tmp_path), ATTRIBUTES | {"bound": "reflect", "source": "renderer"}
    with h5py.File(path, "r+") as file:
        file.attrs.update(said | {"recipe": json.dumps(said)})
    assert BenchmarkFile(path).variant
    with h5py.File(path, "r+") as file:
        file.attrs[key] = value
    with pytest.raises(UserError, match=f"its attribute `{key}` must be .*, as in the recipe that it carries, got {value}"):
        BenchmarkFile(path)
