"""Benchmark files are found by name, in a folder or through a results.json, or else built or downloaded."""

import re
from pathlib import Path

import numpy as np
import pytest
from small_files import SmallShapes, SmallSprites, write_small_file
from typer.testing import CliRunner

from perturb.cli import app
from perturb.datasets import DATASETS, Dataset, Mini
from perturb.datasets.hdf5.reader import BenchmarkFile
from perturb.distribution.index import write_index
from perturb.errors import UserError
from perturb.external import load_benchmark
from perturb.external.benchmarks import cache_folder, find_benchmark, get_file, usual_variants
from perturb.files import sha256_of, write_json
from perturb.variants import VariantPattern


def test_environment_variables_determine_the_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder(tmp_path / "given") == tmp_path / "given"
    monkeypatch.setenv("PERTURB_CACHE", str(tmp_path / "named"))
    assert cache_folder() == tmp_path / "named"
    monkeypatch.delenv("PERTURB_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "perturb"
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file: cannot be the folder for benchmark files .* name another in PERTURB_CACHE"):
        cache_folder(tmp_path / "file")


@pytest.mark.usefixtures("without_recipes")
def test_a_missing_large_benchmark_is_reported_with_how_to_get_it(tmp_path: Path) -> None:
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


def test_a_folder_of_files_is_a_benchmark_under_a_different_name(sprites: Path) -> None:
    data = load_benchmark(sprites, "modified")
    assert np.array_equal(data.images(np.array([5])), BenchmarkFile(sprites / "modified.h5").images(np.array([5])))
    assert find_benchmark(sprites, ["original"]).name == "dsprites, own files"


def test_files_built_from_the_published_recipes_are_the_published_benchmark(cache: Path) -> None:
    load_benchmark("mini", "original")
    assert find_benchmark(cache / "mini", ["original"]).name == "mini"


def test_a_results_json_leads_to_the_files_of_its_run(sprites: Path, tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    files = [{"name": f"{v}.h5", "path": str(sprites / f"{v}.h5"), "sha256": ""} for v in ("original", "modified")]
    write_json(results, {"files": [*files, {"name": "table.csv", "path": "nowhere", "sha256": ""}]})
    found = find_benchmark(results, ["original", "modified"])
    assert (list(found.files), found.results) == ([VariantPattern("original"), VariantPattern("modified")], results)


def test_a_files_name_contains_its_pattern_number(sprites: Path) -> None:
    for name in ("modified-2.h5", "modified-10.h5"):
        write_small_file(sprites / name, SmallSprites(), "modified")
    found = find_benchmark(sprites, ["original", "modified"], draws=range(20))
    assert {column.name: path.stem for column, path in found.files.items()} == {
        name: name for name in ("original", "modified", "modified-2", "modified-10")
    }
    assert list(find_benchmark(sprites, ["modified"], draws=[9]).files) == [VariantPattern("modified", 9)]


def test_the_file_named_after_the_variant_is_preferred(sprites: Path) -> None:
    write_small_file(sprites / "another-form.h5", SmallSprites(), "modified")
    assert load_benchmark(sprites, "modified").path == sprites / "modified.h5"


def test_an_invalid_benchmark_is_reported_in_one_sentence(sprites: Path, tmp_path: Path) -> None:
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
    """Write a JSON file that is not a results.json of ours."""
    write_json(folder / "other.json", {"rows": []})
    return folder / "other.json"


def test_files_of_two_ground_truths_are_refused(sprites: Path) -> None:
    write_small_file(sprites / "noise.h5", SmallShapes(), "noise")
    with pytest.raises(
        UserError, match=r"must hold files of one ground truth; noise\.h5 and original\.h5 have different ones\.$"
    ):
        find_benchmark(sprites, ["original", "noise"])


def test_a_single_benchmark_file_can_be_built_by_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
        ("mini", "mini is not the name of a benchmark file: it must be one of mini, dsprites, shapes3d, a hyphen and"),
        ("mini-modified-0", "mini-modified-0 is not the name of a benchmark file"),
        ("mini-modified-9", "mini has the patterns 0 to 2 of the variant modified; got 8."),
        ("mini-blurred", "mini has no variant blurred; it has original"),
        ("dsprites-modified", "dsprites-modified.h5 is not there; ask for a download"),
    ],
)
def test_a_file_name_that_no_benchmark_has_is_refused_in_one_sentence(name: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=re.escape(sentence)):
        get_file(name, cache=tmp_path)


def test_a_file_of_a_results_json_must_have_its_recorded_hash(sprites: Path, tmp_path: Path) -> None:
    path, results = sprites / "original.h5", tmp_path / "results.json"
    write_json(results, {"files": [{"name": "original.h5", "path": str(path), "sha256": sha256_of(path)}]})
    assert list(find_benchmark(results, ["original"]).files.values()) == [path]
    write_small_file(path, SmallSprites(), "original", run="another")
    with pytest.raises(UserError, match=r"original\.h5: has changed since .*results\.json was written; remove the folder"):
        find_benchmark(results, ["original"])


class _Inverted(Mini):
    """The mini scene with inverted colours."""

    def images(self, indices: np.ndarray) -> np.ndarray:
        """Images by number."""
        return 255 - super().images(indices)


def test_the_published_patterns_can_be_applied_to_other_originals(tmp_path: Path) -> None:
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
    assert np.abs(moved - published)[inside].max() <= 1, "away from 0 and 255 the pattern must be the published one"
    assert find_benchmark("mini", ["modified"], cache=tmp_path, original=other).name == "mini, other originals"
    before = made.path.stat().st_mtime_ns
    assert get_file("mini-modified", cache=tmp_path, original=other) == made.path
    assert made.path.stat().st_mtime_ns == before, "the file must not be built again"


def test_other_originals_must_be_original_images_of_a_named_benchmark(sprites: Path, tmp_path: Path) -> None:
    changed = get_file("mini-modified")
    with pytest.raises(UserError, match=r"mini-modified\.h5: must hold original images, and is the variant modified\.$"):
        load_benchmark("mini", "modified", cache=tmp_path, original=changed)
    with pytest.raises(UserError, match=r"original\.h5 is a benchmark file of dsprites, and dataset\.name is mini"):
        load_benchmark("mini", "modified", cache=tmp_path, original=sprites / "original.h5")
    with pytest.raises(UserError, match=r"other originals are for mini, dsprites, shapes3d; .* has files of its own"):
        load_benchmark(sprites, "modified", original=changed)


def test_the_default_variants_are_those_that_the_benchmark_has(tmp_path: Path) -> None:
    assert usual_variants("mini") == usual_variants(tmp_path) == ("original", "modified", "noise")
    assert usual_variants("shapes3d") == usual_variants("dsprites") == ("original", "modified", "untrained")
