import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from perturb.benchmark.compare import compare
from perturb.benchmark.recipe import build
from perturb.datasets.hdf5.reader import BenchmarkFile
from perturb.datasets.hdf5.writer import write_benchmark_file
from perturb.datasets.renderers.mini import Mini
from perturb.distribution.downloads import download_published
from perturb.distribution.index import INDEX, LARGEST_INDEX, parse_index, write_index
from perturb.errors import UserError
from perturb.files import sha256_of

ENTRY = {
    "name": "mini-noise",
    "file": "noise.h5",
    "bytes": 5,
    "sha256": "0" * 64,
    "dataset": "mini",
    "variant": "noise",
    "epsilon": 0.1,
    "images": 4096,
}


def _file(path: Path, variant: str) -> Path:
    write_benchmark_file(
        path,
        Mini(),
        lambda numbers: np.zeros((len(numbers), 32, 32, 3), np.uint8),
        attributes={"variant": variant, "epsilon": 0.25},
        report=lambda done, total: None,
    )
    return path


def _index(**changes: object) -> bytes:
    return json.dumps({"format": 1, "entries": [ENTRY | changes]}).encode()


def test_the_index_lists_every_file_with_its_hash(tmp_path: Path) -> None:
    paths = [_file(tmp_path / "mini" / f"{variant}.h5", variant) for variant in ("modified", "noise")]
    index = write_index(tmp_path)
    assert [entry.name for entry in index.entries] == ["mini-modified", "mini-noise"]
    assert [entry.sha256 for entry in index.entries] == [sha256_of(path) for path in paths]
    assert index.entry("mini-noise").file == "mini/noise.h5"
    assert index.entry("mini-noise").images == 4096
    assert parse_index((tmp_path / INDEX).read_bytes(), "here") == index
    with pytest.raises(UserError, match="mini-original is not published there; the index lists mini-modified, mini-noise"):
        index.entry("mini-original")


def test_recipes_and_weights_are_listed_with_their_files(tmp_path: Path) -> None:
    _file(tmp_path / "modified.h5", "modified")
    for name in ("modified.recipe.json", "modified.safetensors", "other.safetensors"):
        (tmp_path / name).write_text(name)
    index = write_index(tmp_path)
    assert [part.file for part in index.entries[0].recipe] == ["modified.recipe.json", "modified.safetensors"]
    assert sorted(index.files) == ["modified.h5", "modified.recipe.json", "modified.safetensors"]
    assert index.files["modified.safetensors"].sha256 == sha256_of(tmp_path / "modified.safetensors")


def test_files_that_are_not_finished_benchmark_files_are_not_indexed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="must hold benchmark files"):
        write_index(tmp_path)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["images"] = np.zeros(3)
    with pytest.raises(UserError, match="its attribute `complete` is not set: it is no benchmark file, or was not finished"):
        write_index(tmp_path)
    (tmp_path / "other.h5").write_bytes(b"no HDF5")
    with pytest.raises(UserError, match="cannot be read as HDF5"):
        write_index(tmp_path)
    assert not (tmp_path / INDEX).exists()


def test_two_files_with_the_same_name_are_refused(tmp_path: Path) -> None:
    for name in ("a.h5", "b.h5"):
        _file(tmp_path / name, "noise")
    with pytest.raises(UserError, match="given twice: mini-noise; move one elsewhere"):
        write_index(tmp_path)


@pytest.mark.parametrize("file", ["../noise.h5", "/etc/noise.h5", "a/../../b.h5", "..\\noise.h5", "", "~/noise.h5"])
def test_a_path_outside_the_folder_is_refused(file: str) -> None:
    with pytest.raises(UserError, match=r"`entries.0.file`: must be a path below the index"):
        parse_index(_index(file=file), "index.json")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"<html>", "must be JSON"),
        (b"[" * 100_000, "must be JSON"),
        (b" " * (LARGEST_INDEX + 1), "must have at most 1,048,576 bytes"),
        (b"[]", "valid dictionary"),
        (_index(sha256="0"), "`entries.0.sha256`: string should match"),
        (_index(bytes=-1), "`entries.0.bytes`: input should be greater than or equal to 1, got -1"),
        (_index(name="../x"), "`entries.0.name`: string should match"),
        (_index(more=1), r"unknown key `entries\.0\.more` \(value 1\)"),
        (json.dumps({"format": 2, "entries": []}).encode(), "`format`: input should be 1, got 2"),
    ],
)
def test_an_invalid_index_is_refused_in_one_sentence(text: bytes, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        parse_index(text, "https://host/index.json")
    assert str(caught.value).startswith("https://host/index.json: ")
    assert "\n" not in str(caught.value)


def test_published_recipes_can_be_downloaded_and_rebuilt(tmp_path: Path) -> None:
    published = Path(__file__).parents[2] / "artifacts" / "published" / "quickstart"
    index = parse_index((published / INDEX).read_bytes(), "quickstart")
    assert [entry.name for entry in index.entries] == ["mini-original", "mini-modified", "mini-untrained"]
    assert index.origin is not None
    assert index.origin.experiment == "quickstart"
    for _, brought in download_published("mini-modified", str(published), tmp_path, recipe=True):
        assert brought
    build(tmp_path / "mini-modified.recipe.json", tmp_path / "modified.h5")
    build(published / "modified.recipe.json", tmp_path / "published.h5")
    assert compare(tmp_path / "modified.h5", tmp_path / "published.h5").differing == 0
    assert BenchmarkFile(tmp_path / "modified.h5").epsilon == 0.2
    with pytest.raises(UserError, match=r"^mini-noise is not published there"):
        download_published("mini-noise", str(published), tmp_path)
    with pytest.raises(UserError, match=r"^mini-original is published there only as a recipe; download that with --recipe"):
        download_published("mini-original", str(published), tmp_path)


def test_an_entry_needs_a_complete_file_or_a_recipe() -> None:
    for gone in ("file", "bytes", "sha256"):
        with pytest.raises(UserError, match=r"here: .*this is not an index of ours"):
            parse_index(_index(**{gone: None}), "here")


def test_patterns_of_a_variant_have_distinct_names(tmp_path: Path) -> None:
    for name in ("modified", "modified-2"):
        _file(tmp_path / f"{name}.h5", "modified")
    assert [entry.name for entry in write_index(tmp_path).entries] == ["mini-modified-2", "mini-modified"]
