"""The benchmark as a torch Dataset, and where its files come from."""

import os
import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from operator import itemgetter
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from damage import DAMAGES, flip
from small_files import SmallShapes, SmallSprites, write_small_file
from torch.utils.data import DataLoader
from typer.testing import CliRunner

from perturb.benchmark.verify import verify_file
from perturb.cli import app
from perturb.datasets import DATASETS, Dataset, Mini
from perturb.datasets.hdf5.reader import BenchmarkFile, cache_of
from perturb.datasets.splits import SPLITS
from perturb.distribution.index import write_index
from perturb.entries.packaged import known_files, recipe_hash, recipes
from perturb.errors import UserError
from perturb.external import load_benchmark
from perturb.external.benchmarks import cache_folder, find_benchmark, get_file
from perturb.files import sha256_of, write_json
from perturb.locks import locked
from perturb.variants import VariantPattern

ASK = "from perturb.external import load_benchmark; print(load_benchmark('mini', 'noise').sha256)"


@pytest.fixture
def sprites(tmp_path: Path) -> Path:
    """A folder with two variants of a small dSprites."""
    folder = tmp_path / "sprites"
    for variant in ("original", "modified"):
        write_small_file(folder / f"{variant}.h5", SmallSprites(), variant)
    return folder


def test_an_item_is_an_image_between_0_and_1_and_its_factors() -> None:
    data = load_benchmark("mini")
    image, factors = data[-1]
    assert (len(data), data.image_shape, tuple(image.shape), image.dtype) == (4096, (3, 32, 32), (3, 32, 32), torch.float32)
    assert factors.tolist() == [7, 7, 7, 7] == data.factors[4095].tolist()
    expected = Mini().images(np.array([4095]))[0]
    assert np.array_equal((image * 255).round().byte().permute(1, 2, 0).numpy(), expected)
    assert (data.name, data.variant, data.epsilon, data.grid.names[0]) == ("mini", "original", 0.0, "floor_hue")
    with pytest.raises(IndexError):
        data[4096]


@pytest.mark.parametrize("part", [slice(0, 3), slice(-2, None), slice(10, 0, -4), slice(5, 5)])
def test_a_slice_is_the_list_of_its_items(part: slice) -> None:
    data = load_benchmark("mini")
    items, numbers = data[part], range(len(data))[part]
    assert len(items) == len(numbers)
    for (image, factors), number in zip(items, numbers, strict=True):
        assert torch.equal(image, data[number][0])
        assert torch.equal(factors, data[number][1])


def test_a_data_loader_reads_it_with_workers_that_get_the_path_and_no_pixels() -> None:
    data = load_benchmark("mini", "modified")
    assert len(pickle.dumps(data)) < 1_000
    images, factors = next(iter(DataLoader(data, batch_size=8, num_workers=1, multiprocessing_context="spawn")))
    assert torch.equal(images, data.batch(range(8)))
    assert torch.equal(factors, torch.from_numpy(data.factors[:8]))


@pytest.mark.parametrize("column", recipes("mini"), ids=lambda column: column.name)
def test_every_variant_of_mini_is_made_from_the_package_and_holds_its_bound(column: VariantPattern) -> None:
    data = load_benchmark("mini", column.variant, column.pattern)
    (published,) = [file for file in known_files()["mini"] if VariantPattern(file.variant, file.draw) == column]
    assert data.recipe_sha256 == published.recipe_sha256
    assert data.sha256 == published.images_sha256 or column.variant not in ("original", "noise")
    assert verify_file(data.path).largest_change == (0 if column == VariantPattern("original") else 63)
    assert cache_of(data.path).is_dir()


def test_patterns_of_a_variant_are_different_images() -> None:
    assert len({load_benchmark("mini", "modified", pattern).sha256 for pattern in range(3)}) == 3
    with pytest.raises(UserError, match=r"^mini has the patterns 0 to 2 of the variant modified; got 3\.$"):
        load_benchmark("mini", "modified", 3)


def test_a_file_of_mini_is_made_once(cache: Path) -> None:
    first = load_benchmark("mini", "noise").path
    assert first == cache / "mini" / "mini-noise.h5"
    before = first.stat().st_mtime_ns
    assert load_benchmark("mini", "noise").path.stat().st_mtime_ns == before


def test_a_file_of_another_recipe_or_a_torn_one_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "mini" / "mini-noise.h5"
    write_small_file(path, SmallShapes(), "noise", recipe="an older one")
    assert load_benchmark("mini", "noise", cache=tmp_path).name == "mini"
    path.write_bytes(path.read_bytes()[:5000])
    assert len(load_benchmark("mini", "noise", cache=tmp_path).images(np.arange(4096))) == 4096


def test_two_processes_may_ask_at_once(tmp_path: Path) -> None:
    environment = os.environ | {"PERTURB_CACHE": str(tmp_path)}
    command = [sys.executable, "-c", ASK]
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert answers[0] == answers[1] == load_benchmark("mini", "noise").sha256 + "\n"
    assert sorted(path.name for path in (tmp_path / "mini").iterdir()) == [
        "mini-noise.h5", "mini-noise.h5.pixels", "mini-noise.lock",
    ]  # fmt: skip


def test_who_has_the_lock_keeps_others_out_who_do_not_want_to_wait(tmp_path: Path) -> None:
    with locked(tmp_path / "a"), pytest.raises(UserError, match=r"^busy$"), locked(tmp_path / "a", otherwise="busy"):
        pass
    with locked(tmp_path / "a", otherwise="busy"):
        pass


def test_the_cache_is_where_the_variables_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder(tmp_path / "given") == tmp_path / "given"
    monkeypatch.setenv("PERTURB_CACHE", str(tmp_path / "named"))
    assert cache_folder() == tmp_path / "named"
    monkeypatch.delenv("PERTURB_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "perturb"
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file: cannot be the folder for benchmark files .* name another in PERTURB_CACHE"):
        cache_folder(tmp_path / "file")


@pytest.fixture
def without_recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    """dSprites and Shapes3D as if nothing of them came with the package."""
    published = {"mini": known_files()["mini"]}
    monkeypatch.setattr("perturb.entries.packaged.known_files", lambda: published)


@pytest.mark.usefixtures("without_recipes")
def test_a_large_benchmark_that_is_not_there_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load_benchmark("dsprites", "modified", cache=tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / 'dsprites' / 'dsprites-modified.h5'} is not there; ask for a download and say from where "
        "(PERTURB_BENCHMARK_URL, or url), or make it with `perturb run configs/dsprites.toml` and name its results.json "
        "instead of dsprites."
    )


@pytest.mark.usefixtures("without_recipes")
def test_a_large_benchmark_is_downloaded_once(sprites: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATASETS, "dsprites", Dataset(SmallSprites, None))
    write_index(sprites)
    data = load_benchmark("dsprites", "modified", download=True, url=str(sprites), cache=tmp_path)
    assert (data.path, data.image_shape) == (tmp_path / "dsprites" / "dsprites-modified.h5", (1, 64, 64))
    monkeypatch.setenv("PERTURB_BENCHMARK_URL", str(sprites))
    assert len(load_benchmark("dsprites", "original", download=True, cache=tmp_path)) == 96
    (sprites / "index.json").unlink()
    assert load_benchmark("dsprites", "modified", cache=tmp_path).sha256 == data.sha256


def test_a_folder_of_files_is_a_benchmark_under_another_name(sprites: Path) -> None:
    data = load_benchmark(sprites, "modified")
    assert np.array_equal(data.images(np.array([5])), BenchmarkFile(sprites / "modified.h5").images(np.array([5])))
    assert find_benchmark(sprites, ["original"]).name == "dsprites, own files"


def test_files_made_from_the_published_recipes_are_the_published_benchmark(cache: Path) -> None:
    load_benchmark("mini", "original")
    assert find_benchmark(cache / "mini", ["original"]).name == "mini"


def test_a_results_json_leads_to_the_files_of_its_run(sprites: Path, tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    files = [{"name": f"{v}.h5", "path": str(sprites / f"{v}.h5"), "sha256": ""} for v in ("original", "modified")]
    write_json(results, {"files": [*files, {"name": "table.csv", "path": "nowhere", "sha256": ""}]})
    found = find_benchmark(results, ["original", "modified"])
    assert (list(found.files), found.results) == ([VariantPattern("original"), VariantPattern("modified")], results)


def test_the_number_of_a_pattern_is_in_the_name_of_its_file(sprites: Path) -> None:
    for name in ("modified-2.h5", "modified-10.h5"):
        write_small_file(sprites / name, SmallSprites(), "modified")
    found = find_benchmark(sprites, ["original", "modified"], draws=range(20))
    assert {column.name: path.stem for column, path in found.files.items()} == {
        name: name for name in ("original", "modified", "modified-2", "modified-10")
    }
    assert list(find_benchmark(sprites, ["modified"], draws=[9]).files) == [VariantPattern("modified", 9)]


def test_the_file_that_is_named_for_a_variant_is_taken(sprites: Path) -> None:
    write_small_file(sprites / "another-form.h5", SmallSprites(), "modified")
    assert load_benchmark(sprites, "modified").path == sprites / "modified.h5"


def test_a_folder_that_may_not_be_written_to_is_read_as_it_is(sprites: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert len(load_benchmark(sprites)) == 96
    assert not cache_of(sprites / "original.h5").exists()


def test_what_is_no_benchmark_is_told_in_one_sentence(sprites: Path, tmp_path: Path) -> None:
    cases = {
        (str(sprites), "noise"): "has no variant noise; it has modified, original.",
        (
            str(tmp_path / "absent"),
            "original",
        ): "it must be mini, dsprites, shapes3d, a folder of benchmark files or a results",
        ("mini", "blurred"): "mini has no variant blurred; it has original, modified, untrained, untrained_in_span, noise.",
        (str(write_raw_results(tmp_path)), "original"): "must be a results.json of `perturb run`",
    }
    for (what, variant), sentence in cases.items():
        with pytest.raises(UserError) as caught:
            load_benchmark(what, variant)
        assert sentence in str(caught.value)
    (sprites / "modified.h5").rename(sprites / "again.h5")
    write_small_file(sprites / "another.h5", SmallSprites(), "modified")
    with pytest.raises(UserError, match=r"one file of each variant.*; again\.h5 and another\.h5 are both of modified\.$"):
        load_benchmark(sprites, "modified")


def write_raw_results(folder: Path) -> Path:
    """A JSON file that is none of ours."""
    write_json(folder / "other.json", {"rows": []})
    return folder / "other.json"


def test_files_of_two_ground_truths_are_no_benchmark(sprites: Path) -> None:
    write_small_file(sprites / "noise.h5", SmallShapes(), "noise")
    with pytest.raises(
        UserError, match=r"must hold files of one ground truth; noise\.h5 is of another than original\.h5\.$"
    ):
        find_benchmark(sprites, ["original", "noise"])


def test_a_file_without_a_recipe_has_no_hash_of_one(sprites: Path) -> None:
    assert recipe_hash(BenchmarkFile(sprites / "original.h5")) is None


def test_one_file_of_a_benchmark_is_made_by_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERTURB_CACHE", str(tmp_path))
    for _ in range(2):
        done = CliRunner().invoke(app, ["dataset", "get", "mini-untrained-2"])
        assert done.stdout == f"{tmp_path / 'mini' / 'mini-untrained-2.h5'}\n"
    made = load_benchmark("mini", "untrained", 1)
    assert made.path == tmp_path / "mini" / "mini-untrained-2.h5"


@pytest.mark.usefixtures("without_recipes")
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("mini", "mini is no file of a benchmark: it must be mini, dsprites, shapes3d, a hyphen and a variant, such as"),
        ("mini-modified-0", "mini-modified-0 is no file of a benchmark"),
        ("mini-modified-9", "mini has the patterns 0 to 2 of the variant modified; got 8."),
        ("mini-blurred", "mini has no variant blurred; it has original"),
        ("dsprites-modified", "dsprites-modified.h5 is not there; ask for a download"),
    ],
)
def test_a_file_that_no_benchmark_has_is_a_sentence(name: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=re.escape(sentence)):
        get_file(name, cache=tmp_path)


def _write(path: Path) -> None:
    """Damage that a model may do which was given a path."""
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(1_000)
        file.write(bytes(200_000))


@pytest.mark.parametrize("damage", [_write, *DAMAGES.values()], ids=["as the hostile model", *DAMAGES])
def test_damaged_unpacked_images_are_made_again(damage: Callable[[Path], None], sprites: Path) -> None:
    numbers = np.arange(96)
    before = load_benchmark(sprites, "modified").images(numbers)
    path = cache_of(sprites / "modified.h5") / "images.npy"
    assert path.stat().st_mode & 0o222 == 0, "nobody writes to it by accident"
    damage(path)
    assert np.array_equal(BenchmarkFile(sprites / "modified.h5").images(numbers), before), "passed over"
    data = load_benchmark(sprites, "modified")
    assert np.array_equal(data.images(numbers), before)
    assert np.array_equal(data.pixels.images(numbers), before), "and unpacked anew"


def test_a_file_whose_images_are_others_than_it_states_is_refused(sprites: Path) -> None:
    with h5py.File(sprites / "modified.h5", "r+") as file:
        file["imgs"][7] = 255 - file["imgs"][7]
    with pytest.raises(UserError, match=r"modified\.h5: the sha256 of its images must be [0-9a-f]{64}, got"):
        load_benchmark(sprites, "modified")
    assert not cache_of(sprites / "modified.h5").exists()


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_of_mini_is_made_again(damage: Callable[[Path], None], tmp_path: Path) -> None:
    data = load_benchmark("mini", "noise", cache=tmp_path)
    before = data.sha256, data.images(np.array([9])), sha256_of(data.path)
    damage(data.path)
    again = load_benchmark("mini", "noise", cache=tmp_path)
    assert (again.sha256, sha256_of(again.path)) == (before[0], before[2])
    assert np.array_equal(again.images(np.array([9])), before[1])


def test_doctored_images_under_the_published_recipe_are_made_again(tmp_path: Path) -> None:
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
def test_a_damaged_download_is_refused_or_brought_again(
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
def test_another_benchmarks_file_in_its_place_is_refused(
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
def test_another_variant_or_epsilon_in_its_place_is_refused(
    source: str, column: str, attributes: dict, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DATASETS, "dsprites", Dataset(SmallSprites, None))
    path = write_small_file(tmp_path / "dsprites" / f"dsprites-{column}.h5", SmallSprites(), source, **attributes)
    with h5py.File(path, "r+") as file:
        file.attrs.update(attributes)
    with pytest.raises(UserError, match=what):
        load_benchmark("dsprites", column, cache=tmp_path)


def test_a_file_of_a_results_json_must_be_the_one_that_is_listed(sprites: Path, tmp_path: Path) -> None:
    path, results = sprites / "original.h5", tmp_path / "results.json"
    write_json(results, {"files": [{"name": "original.h5", "path": str(path), "sha256": sha256_of(path)}]})
    assert list(find_benchmark(results, ["original"]).files.values()) == [path]
    write_small_file(path, SmallSprites(), "original", run="another")
    with pytest.raises(UserError, match=r"original\.h5: has changed since .*results\.json was written; remove the folder"):
        find_benchmark(results, ["original"])


def test_verify_and_cache_notice_damaged_unpacked_images() -> None:
    path = get_file("mini-original")
    load_benchmark("mini")
    flip(cache_of(path) / "images.npy")
    with pytest.raises(UserError, match=r"these unpacked images are damaged, .*`perturb dataset cache .*` makes them again"):
        verify_file(path)
    assert CliRunner().invoke(app, ["dataset", "cache", str(path)]).exit_code == 0
    assert verify_file(path).largest_change == 0


def test_a_split_has_the_same_images_in_every_variant_and_the_splits_share_none() -> None:
    parts = {split: load_benchmark("mini", "noise", split=split) for split in SPLITS}
    numbers = np.concatenate([part.numbers for part in parts.values()])
    assert np.array_equal(np.sort(numbers), np.arange(4096))
    test, whole = parts["test"], load_benchmark("mini", "noise")
    assert torch.equal(test[3][0], whole[int(test.numbers[3])][0])
    assert torch.equal(test[3][1], torch.from_numpy(test.factors[3]))
    assert np.array_equal(load_benchmark("mini", "original", split="test").numbers, test.numbers)
    with pytest.raises(UserError, match=r"^split must be among train, valid, test; got validation"):
        load_benchmark("mini", split="validation")


def test_transforms_change_images_and_factors_in_the_workers_of_a_loader_too() -> None:
    plain = load_benchmark("mini", "noise", split="valid")
    data = load_benchmark("mini", "noise", split="valid", transform=torch.neg, target_transform=itemgetter(0))
    assert torch.equal(data[5][0], -plain[5][0])
    assert data[5][1] == int(plain[5][1][0])
    images, factors = next(iter(DataLoader(data, batch_size=4, num_workers=1, multiprocessing_context="spawn")))
    assert torch.equal(images, -torch.stack([image for image, _ in plain[:4]]))
    assert factors.tolist() == [int(target[0]) for _, target in plain[:4]]


class _Inverted(Mini):
    """Mini in negative."""

    def images(self, indices: np.ndarray) -> np.ndarray:
        """Images by number."""
        return 255 - super().images(indices)


def test_the_published_patterns_go_on_other_originals_too(tmp_path: Path) -> None:
    other = write_small_file(tmp_path / "theirs.h5", _Inverted(), "original")
    made = load_benchmark("mini", "modified", cache=tmp_path, original=other)
    ours = load_benchmark("mini", "modified")
    numbers = np.arange(64)
    assert made.path.name.startswith("mini-modified-on-")
    assert np.array_equal(
        load_benchmark("mini", cache=tmp_path, original=other).images(numbers), _Inverted().images(numbers)
    )
    moved = made.images(numbers).astype(int) - _Inverted().images(numbers)
    published = ours.images(numbers).astype(int) - Mini().images(numbers)
    inside = np.abs(Mini().images(numbers).astype(int) - 127) < 127 - 64
    assert np.abs(moved - published)[inside].max() <= 1, "the same pattern, where no border is near"
    assert find_benchmark("mini", ["modified"], cache=tmp_path, original=other).name == "mini, other originals"
    before = made.path.stat().st_mtime_ns
    assert get_file("mini-modified", cache=tmp_path, original=other) == made.path
    assert made.path.stat().st_mtime_ns == before, "made once"


def test_other_originals_must_be_originals_of_a_named_benchmark(sprites: Path, tmp_path: Path) -> None:
    changed = get_file("mini-modified")
    with pytest.raises(UserError, match=r"mini-modified\.h5: must hold original images, and is of the variant modified\.$"):
        load_benchmark("mini", "modified", cache=tmp_path, original=changed)
    with pytest.raises(UserError, match=r"original\.h5 is a benchmark file of dsprites, and dataset\.name is mini"):
        load_benchmark("mini", "modified", cache=tmp_path, original=sprites / "original.h5")
    with pytest.raises(UserError, match=r"other originals are for mini, dsprites, shapes3d; .* has files of its own"):
        load_benchmark(sprites, "modified", original=changed)
