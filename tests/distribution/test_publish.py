"""A folder is prepared for publication from files that are in it or from the results of an experiment."""

import errno
import json
import os
from datetime import date
from pathlib import Path

import pytest
from small_files import SmallShapes, SmallSprites, write_small_file

from perturb.distribution import publish as module
from perturb.distribution.index import parse_index
from perturb.distribution.listing import list_folder
from perturb.distribution.publish import gather, publish
from perturb.errors import UserError
from perturb.files import sha256_of, write_json

TODAY = date(2026, 1, 2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    for variant in ("modified", "noise"):
        write_small_file(made / f"{variant}.h5", SmallSprites(), variant)
    return made


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_publishing_adds_card_croissant_and_index_and_is_idempotent(folder: Path) -> None:
    written = publish(folder, today=TODAY)
    assert [path.name for path in written] == ["README.md", "croissant.json", "index.json"]
    first = _content(folder)
    assert sorted(first) == ["README.md", "croissant.json", "index.json", "modified.h5", "noise.h5"]
    index = parse_index(first["index.json"], "index.json")
    assert {entry.name: entry.sha256 for entry in index.entries} == {
        f"dsprites-{variant}": sha256_of(folder / f"{variant}.h5") for variant in ("modified", "noise")
    }
    publish(folder, today=TODAY)
    assert _content(folder) == first


def test_the_index_is_written_last(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("broken")

    monkeypatch.setattr(module, "croissant_of", broken)
    with pytest.raises(ValueError, match="broken"):
        publish(folder, today=TODAY)
    assert not (folder / "index.json").exists()


def test_a_users_readme_is_not_replaced(folder: Path) -> None:
    (folder / "README.md").write_text("# Mine\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"README\.md: was not written by perturb and would be lost; move it elsewhere"):
        publish(folder, today=TODAY)
    assert (folder / "README.md").read_text(encoding="utf-8") == "# Mine\n"
    assert not (folder / "index.json").exists()


@pytest.mark.parametrize("url", ["example.org/files", "file:///etc", "https://", "ftp://example.org"])
def test_an_invalid_url_is_refused(folder: Path, url: str) -> None:
    with pytest.raises(UserError, match="--url must be an address that begins with https://"):
        publish(folder, today=TODAY, url=url)


def test_a_folder_must_hold_one_dataset_on_one_grid(folder: Path) -> None:
    with pytest.raises(UserError, match=r"absent: there is no such folder"):
        list_folder(folder / "absent")
    write_small_file(folder / "b" / "original.h5", SmallSprites(), "original", factor_names="a,b,c,d,e")
    with pytest.raises(UserError, match="all files must be of the same grid of factors"):
        list_folder(folder)
    write_small_file(folder / "b" / "original.h5", SmallShapes(), "original")
    with pytest.raises(UserError, match="must hold files of one dataset, got dsprites, shapes3d; use a folder for each"):
        list_folder(folder)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Results as written by an experiment: files in run directories, listed in results.json with those of the report."""
    runs, listed = tmp_path / "artifacts" / "runs", []
    for variant in ("modified", "noise"):
        path = write_small_file(runs / f"file-{variant}" / f"{variant}.h5", SmallSprites(), variant)
        listed.append({"name": f"{variant}.h5", "path": str(path), "sha256": sha256_of(path)})
    for name, text in (("modified.recipe.json", "{}"), ("modified.safetensors", "weights"), ("table.md", "| MIG |")):
        (runs / name).write_text(text, encoding="utf-8")
        listed.append({"name": name, "path": str(runs / name), "sha256": sha256_of(runs / name)})
    write_json(tmp_path / "results.json", {"rows": [], "files": listed})
    return tmp_path / "results.json"


def test_exactly_the_files_to_publish_are_hard_linked_from_an_experiment(results: Path, tmp_path: Path) -> None:
    for _ in range(2):
        gather(results, tmp_path / "out")
        names = sorted(path.name for path in (tmp_path / "out").iterdir())
        assert names == ["modified.h5", "modified.recipe.json", "modified.safetensors", "noise.h5"]
    linked = tmp_path / "out" / "modified.h5"
    assert linked.samefile(tmp_path / "artifacts" / "runs" / "file-modified" / "modified.h5")
    assert not linked.is_symlink()


def test_the_target_of_a_symlinked_source_is_hard_linked(results: Path, tmp_path: Path) -> None:
    (tmp_path / "artifacts").rename(tmp_path / "elsewhere")
    (tmp_path / "artifacts").symlink_to(tmp_path / "elsewhere")
    path = tmp_path / "elsewhere" / "runs" / "file-noise" / "noise.h5"
    path.rename(tmp_path / "noise.h5")
    path.symlink_to(tmp_path / "noise.h5")
    gather(results, tmp_path / "out")
    assert not (tmp_path / "out" / "noise.h5").is_symlink()
    assert (tmp_path / "out" / "noise.h5").samefile(tmp_path / "noise.h5")


def test_files_on_another_disk_are_copied(results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refused)
    gather(results, tmp_path / "out")
    source = tmp_path / "artifacts" / "runs" / "file-noise" / "noise.h5"
    assert not (tmp_path / "out" / "noise.h5").samefile(source)
    assert (tmp_path / "out" / "noise.h5").read_bytes() == source.read_bytes()
    monkeypatch.setattr(module.shutil, "copyfile", refused)
    with pytest.raises(UserError, match=r"modified\.h5: cannot be written \(.*\); at most [\d,]+ bytes are needed"):
        gather(results, tmp_path / "full")
    assert not (tmp_path / "full").exists()


def test_a_file_that_has_changed_or_is_missing_is_not_published(results: Path, tmp_path: Path) -> None:
    noise = tmp_path / "artifacts" / "runs" / "file-noise" / "noise.h5"
    noise.write_bytes(noise.read_bytes() + b"0")
    with pytest.raises(UserError, match=r"noise\.h5: has changed since results\.json was written; run the experiment again"):
        gather(results, tmp_path / "out")
    assert not (tmp_path / "out" / "noise.h5").exists()
    noise.unlink()
    with pytest.raises(UserError, match=r"noise\.h5 is not there any more; run the experiment again"):
        gather(results, tmp_path / "out")


@pytest.mark.parametrize("name", ["../x.h5", "/elsewhere/x.h5", "a/../../x.h5", "..\\x.h5"])
def test_a_name_outside_the_folder_is_refused(results: Path, tmp_path: Path, name: str) -> None:
    content = json.loads(results.read_text(encoding="utf-8"))
    content["files"][0]["name"] = name
    write_json(results, content)
    with pytest.raises(UserError, match=r"`files` must have names without '\.\.' that stay in the folder"):
        gather(results, tmp_path / "deep" / "er" / "out")
    assert not (tmp_path / "deep").exists()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"<html>", r"cannot be read \(it is a web page.*\); name a results.json of `perturb run`"),
        (b"\xff\xfe", r"cannot be read \(Expecting value.*\); name a results.json of `perturb run`"),
        (b"[" * 100_000, r"cannot be read \(it is nested too deeply\); name a results.json of `perturb run`"),
        (b"[]", "must be a results.json of `perturb run`"),
        (b'{"files": [{"name": "x.h5"}]}', "must be a results.json of `perturb run`"),
        (b'{"files": [{"name": "x.h5", "path": 1, "sha256": null}]}', "must be a results.json of `perturb run`"),
        (b'{"files": []}', "names no benchmark files; run the experiment to its end first"),
    ],
)
def test_an_invalid_results_file_is_refused_in_one_sentence(tmp_path: Path, text: bytes, sentence: str) -> None:
    (tmp_path / "results.json").write_bytes(text)
    with pytest.raises(UserError, match=sentence):
        gather(tmp_path / "results.json", tmp_path / "out")
    assert not (tmp_path / "out").exists()
