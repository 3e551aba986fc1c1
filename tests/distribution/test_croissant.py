"""croissant.json as read by mlcroissant."""

import json
import logging
from datetime import date
from pathlib import Path

import pytest
from small_files import SmallSprites, write_small_file

from perturb.benchmark.credits import PAPER_URL
from perturb.distribution.croissant import croissant_of
from perturb.distribution.listing import list_folder
from perturb.files import sha256_of, write_json

mlc = pytest.importorskip("mlcroissant")
pytestmark = pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")
"""The warning comes from rdflib and concerns rdflib itself."""
TODAY = date(2026, 1, 2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for variant in ("modified", "noise"):
        write_small_file(tmp_path / "files" / f"{variant}.h5", SmallSprites(), variant)
    (tmp_path / "files" / "modified.recipe.json").write_text("{}", encoding="utf-8")
    (tmp_path / "files" / "modified.safetensors").write_bytes(b"weights")
    return tmp_path


def _validated(folder: Path, caplog: pytest.LogCaptureFixture, **options: str) -> "mlc.Dataset":
    """The dataset as mlcroissant reads it; any warning fails the test."""
    write_json(folder / "croissant.json", croissant_of(list_folder(folder), published=TODAY, **options))
    with caplog.at_level(logging.WARNING):
        found = mlc.Dataset(jsonld=folder / "croissant.json")
    assert caplog.messages == []
    return found


def test_mlcroissant_accepts_the_metadata_without_warnings_and_finds_every_file(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    metadata = _validated(folder, caplog).metadata
    assert metadata.name == "dsprites-perturbed"
    assert metadata.license == ["https://spdx.org/licenses/Apache-2.0"]
    assert metadata.version == "0.1.0"
    assert metadata.date_published.date() == TODAY
    assert "@misc{dsprites17," in metadata.cite_as
    files = {file.id: file for file in metadata.distribution}
    expected = ["files/modified.h5", "files/noise.h5", "files/modified.recipe.json", "files/modified.safetensors"]
    assert list(files) == expected
    for name, file in files.items():
        assert file.sha256 == sha256_of(folder / name)
        assert file.content_size == f"{(folder / name).stat().st_size} B"
        assert file.content_url == name
    kinds = [file.encoding_formats for file in files.values()]
    assert kinds == [["application/x-hdf5"]] * 2 + [["application/json"], ["application/octet-stream"]]


def test_mlcroissant_loads_the_records_of_variants_and_factors(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = _validated(folder, caplog)
    variants = list(found.records("variants"))
    assert [record["variants/name"] for record in variants] == ["dsprites-modified", "dsprites-noise"]
    assert [record["variants/epsilon"] for record in variants] == [0.1, 0.1]
    assert {record["variants/images"] for record in variants} == {96}
    hashes = [sha256_of(folder / record["variants/file"]) for record in variants]
    assert [record["variants/sha256"] for record in variants] == hashes
    factors = {record["factors/name"]: record["factors/values"] for record in found.records("factors")}
    assert factors == dict(zip(SmallSprites.grid.names, SmallSprites.grid.sizes, strict=True))


def test_files_have_absolute_urls_if_an_address_is_given(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    metadata = _validated(folder, caplog, url="https://example.org/my data/").metadata
    assert metadata.url == "https://example.org/my data/"
    assert metadata.distribution[0].content_url == "https://example.org/my data/files/modified.h5"


def test_mlcroissant_rejects_a_missing_hash(folder: Path) -> None:
    """This shows that the absence of warnings in the other tests means something."""
    described = croissant_of(list_folder(folder), published=TODAY)
    del described["distribution"][0]["sha256"]
    with pytest.raises(mlc.ValidationError, match="sha256"):
        mlc.Dataset(jsonld=json.loads(json.dumps(described)))


def test_files_with_several_licences_list_all_of_them(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for variant, licence in (("modified", "CC-BY-4.0"), ("noise", "as you like")):
        write_small_file(tmp_path / f"{variant}.h5", SmallSprites(), variant, licence=licence)
    assert _validated(tmp_path, caplog).metadata.license == ["https://spdx.org/licenses/CC-BY-4.0", "as you like"]


def test_the_metadata_states_what_the_dataset_is_based_on(folder: Path) -> None:
    described = croissant_of(list_folder(folder), published=TODAY)
    assert described["isBasedOn"] == [PAPER_URL, "https://github.com/google-deepmind/dsprites-dataset"]
    assert described["description"].startswith("dSprites, perturbed: 96 images for each of the variants modified, noise")
