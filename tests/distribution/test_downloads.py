"""Downloads by name from our own server, a folder or a mirror; official files; the commands."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from odd_server import odd_server, raw_server
from running_server import running_server

from perturb.cli import app
from perturb.datasets import official_sources
from perturb.datasets.hdf5.writer import write_benchmark_file
from perturb.datasets.official_sources import OFFICIAL_SOURCES, OfficialSource
from perturb.datasets.renderers.mini import Mini
from perturb.distribution.downloads import download_published, fetch_official
from perturb.distribution.index import LARGEST_INDEX
from perturb.errors import UserError

CONTENT = np.random.default_rng(3).bytes(200_000)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small benchmark files with the same base name, and their index, written by the command."""
    folder = tmp_path_factory.mktemp("published")
    for variant, grey in (("modified", 1), ("noise", 2)):
        write_benchmark_file(
            folder / variant / "file.h5",
            Mini(),
            lambda numbers, grey=grey: np.full((len(numbers), 32, 32, 3), grey, np.uint8),
            attributes={"variant": variant, "epsilon": 0.25},
            report=lambda done, total: None,
        )
    _command("dataset", "index", str(folder))
    return folder


@pytest.fixture(scope="module")
def address(published: Path) -> Iterator[str]:
    with running_server(published) as address:
        yield address


def test_a_recipe_can_be_downloaded_instead_of_its_file(tmp_path: Path) -> None:
    public = tmp_path / "public"
    write_benchmark_file(
        public / "modified.h5", Mini(), Mini().images, attributes={"variant": "modified", "epsilon": 0.25}
    )  # fmt: skip
    for ending in (".recipe.json", ".safetensors"):
        (public / f"modified{ending}").write_text(ending)
    _command("dataset", "index", str(public))
    with running_server(public) as address:
        files = download_published("mini-modified", address, tmp_path / "here", recipe=True)
    assert [path.name for path, _ in files] == ["mini-modified.recipe.json", "mini-modified.safetensors"]
    assert [path.read_text() for path, _ in files] == [".recipe.json", ".safetensors"]
    (public / "modified.recipe.json").unlink()
    _command("dataset", "index", str(public))
    with pytest.raises(UserError, match="mini-modified is published without a recipe; leave out --recipe"):
        download_published("mini-modified", str(public), tmp_path / "there", recipe=True)


@pytest.fixture
def small_official(monkeypatch: pytest.MonkeyPatch) -> OfficialSource:
    source = OfficialSource("http://127.0.0.1:9/a.h5", "official.h5", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setitem(official_sources.OFFICIAL_SOURCES, "dsprites", source)
    return source


def _command(*arguments: str) -> None:
    app(list(arguments), standalone_mode=False)


def _index(**changes: object) -> bytes:
    entry = {"name": "mini-noise", "file": "noise.h5", "bytes": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest()}
    about = {"dataset": "mini", "variant": "noise", "epsilon": 0.1, "images": 1}
    return json.dumps({"format": 1, "entries": [entry | about | changes]}).encode()


def test_all_files_of_a_server_are_downloaded_under_their_own_names(published: Path, address: str, tmp_path: Path) -> None:
    told = set()
    found = download_published("all", address, tmp_path, report=lambda name, done, total: told.add((name, done == total)))
    assert found == [(tmp_path / "mini-modified.h5", True), (tmp_path / "mini-noise.h5", True)]
    assert {("mini-modified.h5", True), ("mini-noise.h5", True)} <= told
    for path, _ in found:
        assert path.read_bytes() == (published / path.stem.removeprefix("mini-") / "file.h5").read_bytes()
    with h5py.File(tmp_path / "mini-noise.h5") as file:
        assert file["images"][0, 0, 0, 0] == 2
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("ending", ["", "/", "/index.json"])
def test_a_single_file_can_be_downloaded_from_a_server_or_a_folder(
    published: Path, address: str, tmp_path: Path, ending: str
) -> None:
    for origin in (address, str(published), published.as_uri()):
        folder = tmp_path / origin.partition(":")[0].replace("/", "_")
        assert download_published("mini-noise", f"{origin}{ending}", folder) == [(folder / "mini-noise.h5", True)]
        assert download_published("mini-noise", f"{origin}{ending}", folder) == [(folder / "mini-noise.h5", False)]
        assert [path.name for path in folder.iterdir()] == ["mini-noise.h5"]


def test_a_name_that_is_not_listed_is_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="mini-original is not published there; the index lists mini-modified, mini-noise"):
        download_published("mini-original", address, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("index", "sentence"),
    [
        (_index(file="../../noise.h5"), "`entries.0.file`: must be a path below the index"),
        (_index(file="/etc/passwd"), "`entries.0.file`: must be a path below the index"),
        (_index(file="a\x1b[31m.h5"), "`entries.0.file`: must be a path below the index"),
        (_index(name="../noise"), "`entries.0.name`: string should match"),
        (_index(sha256="x"), "`entries.0.sha256`: string should match"),
        (_index(name="\x1b[31m" * 1000), r"got '\\x1b\[31m.{60,80}…; this is not an index of ours"),
        (_index(**{"\x1b[31m": 1}), r"unknown key `entries\.0\.\\x1b\[31m` \(value 1\)"),
        (b"<html>", "must be JSON"),
        (b" " * (LARGEST_INDEX + 10), "must have at most 1,048,576 bytes"),
    ],
)
def test_a_malicious_index_is_refused(index: bytes, sentence: str, tmp_path: Path) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(index) + index
    with raw_server(answer) as address, pytest.raises(UserError, match=sentence) as caught:
        download_published("all", address.rpartition("/")[0], tmp_path)
    assert str(caught.value).isprintable()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_does_not_match_its_index_is_not_kept(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_bytes(_index())
    (tmp_path / "noise.h5").write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(UserError, match="its sha256 must be"):
        download_published("mini-noise", str(tmp_path), tmp_path / "here")
    (tmp_path / "noise.h5").unlink()
    with pytest.raises(UserError, match=r"noise\.h5: there is no such file"):
        download_published("mini-noise", str(tmp_path), tmp_path / "here")
    assert not (tmp_path / "here").exists()


def test_a_size_that_exceeds_the_disk_is_reported(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_bytes(_index(bytes=10**18))
    with pytest.raises(UserError, match="needs 1,000,000,000,000,000,000 more bytes, and its disk has"):
        download_published("mini-noise", str(tmp_path), tmp_path / "here")


def test_an_official_file_can_be_downloaded_from_its_address_or_a_mirror(
    small_official: OfficialSource, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"http://127\.0\.0\.1:9/a\.h5: the connection was refused"):
        fetch_official("dsprites", tmp_path)
    with odd_server(CONTENT) as server:
        path = tmp_path / "official.h5"
        assert fetch_official("dsprites", tmp_path, origin=server.url) == (path, True)
        assert fetch_official("dsprites", tmp_path, origin=server.url) == (path, False)
    assert fetch_official("dsprites", tmp_path / "copy", origin=f"{tmp_path}/") == (tmp_path / "copy" / "official.h5", True)


def test_a_dataset_without_an_official_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="mini has no official file to fetch; those there are: dsprites, shapes3d"):
        fetch_official("mini", tmp_path)


def test_the_table_of_official_files_is_complete() -> None:
    for source in OFFICIAL_SOURCES.values():
        assert source.url.startswith("https://")
        assert len(bytes.fromhex(source.sha256)) == 32
        assert source.size > 10_000_000
        assert Path(source.file).name == source.file


def test_the_fetch_command_ends_with_the_line_for_a_config(
    small_official: OfficialSource, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "source").write_bytes(CONTENT)
    for said in ("downloaded", "was there already"):
        _command("dataset", "fetch", "dsprites", "--to", str(tmp_path / "here"), "--from", str(tmp_path / "source"))
        first, last = capsys.readouterr().out.splitlines()
        assert first == f"{tmp_path}/here/official.h5: {said}, sha256 as published. In a config, under [dataset]:"
        assert last == f'path = "{tmp_path}/here/official.h5"'


def test_the_commands_index_and_download_files(
    published: Path, address: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    _command("dataset", "index", str(published))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("mini-modified: modified/file.h5, ")
    assert lines[-1] == str(published / "index.json")
    _command("dataset", "download", "mini-noise", "--from", address, "--to", str(tmp_path))
    assert capsys.readouterr().out == f"{tmp_path}/mini-noise.h5: downloaded, sha256 as in the index\n"
