"""Files of named benchmarks are built or downloaded into the cache once, and checked against their records and names."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import h5py
import numpy as np
import pytest
from damage import DAMAGES, flip
from small_files import SmallShapes, SmallSprites, write_small_file
from typer.testing import CliRunner

from perturb.benchmark.verify import verify_file
from perturb.cli import app
from perturb.datasets import DATASETS, Dataset
from perturb.datasets.hdf5.reader import BenchmarkFile, cache_of
from perturb.distribution.index import write_index
from perturb.entries.packaged import known_files, recipes
from perturb.errors import UserError
from perturb.external import load_benchmark
from perturb.external.benchmarks import get_file
from perturb.files import sha256_of
from perturb.variants import VariantPattern

ASK = "from perturb.external import load_benchmark; print(load_benchmark('mini', 'noise').sha256)"


@pytest.mark.parametrize("column", recipes("mini"), ids=lambda column: column.name)
def test_every_variant_of_mini_is_built_from_the_package_and_respects_its_bound(column: VariantPattern) -> None:
    data = load_benchmark("mini", column.variant, column.pattern)
    (published,) = [file for file in known_files()["mini"] if VariantPattern(file.variant, file.draw) == column]
    assert data.recipe_sha256 == published.recipe_sha256
    assert data.sha256 == published.images_sha256 or column.variant not in ("original", "noise")
    assert verify_file(data.path).largest_change == (0 if column == VariantPattern("original") else 63)
    assert cache_of(data.path).is_dir()


def test_a_mini_file_is_built_only_once(cache: Path) -> None:
    first = load_benchmark("mini", "noise").path
    assert first == cache / "mini" / "mini-noise.h5"
    before = first.stat().st_mtime_ns
    assert load_benchmark("mini", "noise").path.stat().st_mtime_ns == before


def test_mini_files_of_another_recipe_or_cut_short_are_rebuilt(tmp_path: Path) -> None:
    path = tmp_path / "mini" / "mini-noise.h5"
    write_small_file(path, SmallShapes(), "noise", recipe="an older one")
    assert load_benchmark("mini", "noise", cache=tmp_path).name == "mini"
    path.write_bytes(path.read_bytes()[:5000])
    assert len(load_benchmark("mini", "noise", cache=tmp_path).images(np.arange(4096))) == 4096


def test_two_processes_can_request_the_same_file_at_once(tmp_path: Path) -> None:
    environment = os.environ | {"PERTURB_CACHE": str(tmp_path)}
    command = [sys.executable, "-c", ASK]
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert answers[0] == answers[1] == load_benchmark("mini", "noise").sha256 + "\n"
    assert sorted(path.name for path in (tmp_path / "mini").iterdir()) == [
        "mini-noise.h5", "mini-noise.h5.pixels", "mini-noise.lock",
    ]  # fmt: skip


def _write(path: Path) -> None:
    """Damage the file, as a model that knows its path could do."""
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(1_000)
        file.write(bytes(200_000))


@pytest.mark.parametrize("damage", [_write, *DAMAGES.values()], ids=["written by a hostile model", *DAMAGES])
def test_damaged_unpacked_images_are_unpacked_again(damage: Callable[[Path], None], sprites: Path) -> None:
    numbers = np.arange(96)
    before = load_benchmark(sprites, "modified").images(numbers)
    path = cache_of(sprites / "modified.h5") / "images.npy"
    assert path.stat().st_mode & 0o222 == 0, "the file is read-only, so that nobody writes to it by accident"
    damage(path)
    assert np.array_equal(BenchmarkFile(sprites / "modified.h5").images(numbers), before), (
        "the damaged unpacked images are ignored"
    )
    data = load_benchmark(sprites, "modified")
    assert np.array_equal(data.images(numbers), before)
    assert np.array_equal(data.pixels.images(numbers), before), "and the images are unpacked again"


def test_a_file_whose_images_do_not_match_its_hash_is_refused(sprites: Path) -> None:
    with h5py.File(sprites / "modified.h5", "r+") as file:
        file["imgs"][7] = 255 - file["imgs"][7]
    with pytest.raises(UserError, match=r"modified\.h5: the sha256 of its images must be [0-9a-f]{64}, got"):
        load_benchmark(sprites, "modified")
    assert not cache_of(sprites / "modified.h5").exists()


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_mini_file_is_rebuilt(damage: Callable[[Path], None], tmp_path: Path) -> None:
    data = load_benchmark("mini", "noise", cache=tmp_path)
    before = data.sha256, data.images(np.array([9])), sha256_of(data.path)
    damage(data.path)
    again = load_benchmark("mini", "noise", cache=tmp_path)
    assert (again.sha256, sha256_of(again.path)) == (before[0], before[2])
    assert np.array_equal(again.images(np.array([9])), before[1])


def test_doctored_images_under_the_published_recipe_are_rebuilt(tmp_path: Path) -> None:
    path = load_benchmark("mini", "noise", cache=tmp_path).path
    before = sha256_of(path)
    with h5py.File(path, "r+") as file:
        images = file["images"][:]
        images[0] = 0
        file["images"][0] = 0
        file.attrs["images_sha256"] = sha256(images.data).hexdigest()
    assert get_file("mini-noise", cache=tmp_path) == path
    assert sha256_of(path) == before


@pytest.mark.usefixtures("without_recipes")
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_download_is_refused_or_downloaded_again(
    damage: Callable[[Path], None], sprites: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DATASETS, "dsprites", Dataset(SmallSprites, None))
    write_index(sprites)
    asked = {"download": True, "url": str(sprites), "cache": tmp_path / "cache"}
    path = load_benchmark("dsprites", "modified", **asked).path
    before = sha256_of(path)
    damage(path)
    with pytest.raises(UserError, match=r"dsprites-modified\.h5(: .*remove it, and make or download it| is not there; ask)"):
        load_benchmark("dsprites", "modified", cache=tmp_path / "cache")
    assert sha256_of(load_benchmark("dsprites", "modified", **asked).path) == before


@pytest.mark.usefixtures("without_recipes")
@pytest.mark.parametrize(
    ("source", "name", "what"),
    [
        ("mini-modified", "dsprites-modified", "the ground truth must be dsprites, got mini"),
        ("mini-original", "shapes3d-original", "the ground truth must be shapes3d, got mini"),
        ("sprites", "dsprites-modified", r"the grid must be \(3, 6, 40, 32, 32\), got \(3, 1, 2, 4, 4\)"),
        ("shapes", "shapes3d-modified", r"the grid must be \(10, 10, 10, 8, 4, 15\), got \(1, 1, 1, 8, 4, 15\)"),
    ],
)
def test_a_cached_file_of_another_benchmark_is_refused(
    source: str, name: str, what: str, sprites: Path, tmp_path: Path
) -> None:
    made = {"sprites": sprites / "modified.h5", "shapes": tmp_path / "shapes.h5"}
    write_small_file(made["shapes"], SmallShapes(), "modified")
    benchmark, variant = name.split("-")
    place = tmp_path / "cache" / benchmark / f"{name}.h5"
    place.parent.mkdir(parents=True)
    shutil.copyfile(made.get(source) or get_file(source), place)
    cache = tmp_path / "cache"
    for use in (lambda: load_benchmark(benchmark, variant, cache=cache), lambda: get_file(name, cache=cache)):
        with pytest.raises(UserError, match=rf"{name}\.h5: is not {benchmark}'s {variant}, because {what}; remove it"):
            use()


@pytest.mark.usefixtures("without_recipes")
@pytest.mark.parametrize(
    ("source", "column", "attributes", "what"),
    [
        ("original", "modified", {}, "the variant must be modified, got original"),
        ("modified", "modified", {"epsilon": 0.0}, "ε must be above 0, got 0"),
        ("original", "original", {"epsilon": 0.1}, "ε must be 0, got 0.1"),
        ("modified", "modified", {"unordered_factors": ""}, r"the factors without order must be \('shape',\), got \(\)"),
    ],
)
def test_a_cached_file_with_the_wrong_variant_or_metadata_is_refused(
    source: str, column: str, attributes: dict, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DATASETS, "dsprites", Dataset(SmallSprites, None))
    path = write_small_file(tmp_path / "dsprites" / f"dsprites-{column}.h5", SmallSprites(), source, **attributes)
    with h5py.File(path, "r+") as file:
        file.attrs.update(attributes)
    with pytest.raises(UserError, match=what):
        load_benchmark("dsprites", column, cache=tmp_path)


def test_the_verify_command_detects_damaged_unpacked_images_and_cache_repairs_them() -> None:
    path = get_file("mini-original")
    load_benchmark("mini")
    flip(cache_of(path) / "images.npy")
    with pytest.raises(UserError, match=r"these unpacked images are damaged, .*`perturb dataset cache .*` makes them again"):
        verify_file(path)
    assert CliRunner().invoke(app, ["dataset", "cache", str(path)]).exit_code == 0
    assert verify_file(path).largest_change == 0
