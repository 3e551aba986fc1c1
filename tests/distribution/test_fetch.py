"""Downloads from real servers on the loopback interface, both well-behaved and faulty."""

import errno
import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import namedtuple
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from odd_server import odd_server, raw_server

from perturb import locks
from perturb.distribution import fetch as fetching
from perturb.distribution import partial_file as part
from perturb.distribution.fetch import fetch
from perturb.errors import UserError

CONTENT = np.random.default_rng(1).bytes(1_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
KILLED = """
import sys
from pathlib import Path
from perturb.distribution.fetch import fetch
fetch(sys.argv[1], Path(sys.argv[2]), sha256=sys.argv[3], size=1_000_000, report=lambda done, total: print(done, flush=True))
"""


@pytest.fixture(autouse=True)
def _no_pauses_and_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "PAUSE", 0.001)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def _fetch(address: str, target: Path, **options: object) -> bool:
    return fetch(address, target, **({"sha256": SHA256, "size": len(CONTENT)} | options))


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _leave_part(folder: Path, content: bytes, *, sha256: str = SHA256, validator: str | None = '"first"') -> None:
    (folder / "a.h5.part").write_bytes(content)
    (folder / "a.h5.part.json").write_text(json.dumps({"sha256": sha256, "validator": validator}))


def test_a_file_is_downloaded_whole_and_only_once(tmp_path: Path) -> None:
    progress = []
    with odd_server(CONTENT) as server:
        assert _fetch(server.url, tmp_path / "new" / "a.h5", report=lambda done, total: progress.append((done, total)))
        assert not _fetch(server.url, tmp_path / "new" / "a.h5")
    assert (tmp_path / "new" / "a.h5").read_bytes() == CONTENT
    assert _names(tmp_path / "new") == ["a.h5"]
    assert len(server.asked) == 1
    assert progress[0] == (0, len(CONTENT))
    assert progress[-1] == (len(CONTENT), len(CONTENT))


@pytest.mark.parametrize("as_address", [str, Path.as_uri], ids=["path", "file://"])
def test_a_local_file_is_copied(tmp_path: Path, as_address: object) -> None:
    (tmp_path / "source é%.h5").write_bytes(CONTENT)
    _leave_part(tmp_path, CONTENT[:1000], validator=None)
    assert _fetch(as_address(tmp_path / "source é%.h5"), tmp_path / "a.h5")
    assert (tmp_path / "a.h5").read_bytes() == CONTENT
    assert _names(tmp_path) == ["a.h5", "source é%.h5"]


def test_a_killed_download_resumes_where_it_stopped(tmp_path: Path) -> None:
    with odd_server(CONTENT, pause=0.02) as server:
        command = [sys.executable, "-c", KILLED, server.url, str(tmp_path / "a.h5"), SHA256]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            while int(process.stdout.readline()) < 200_000:
                pass
            os.kill(process.pid, signal.SIGKILL)
        assert _names(tmp_path) == ["a.h5.part", "a.h5.part.json"]
        kept = (tmp_path / "a.h5.part").read_bytes()
        assert 200_000 <= len(kept) < len(CONTENT)
        assert kept == CONTENT[: len(kept)]
        server.pause, progress = 0.0, []
        assert _fetch(server.url, tmp_path / "a.h5", report=lambda done, total: progress.append(done))
    assert progress[0] == len(kept)
    assert (server.asked[1]["range"], server.asked[1]["if-range"]) == (f"bytes={len(kept)}-", '"first"')
    assert (tmp_path / "a.h5").read_bytes() == CONTENT
    assert _names(tmp_path) == ["a.h5"]


def test_after_a_dropped_connection_only_the_rest_is_requested(tmp_path: Path) -> None:
    with odd_server(CONTENT, drop_after=300_000) as server:
        assert _fetch(server.url, tmp_path / "a.h5")
    assert [asked.get("range") for asked in server.asked] == [None, *(f"bytes={k}00000-" for k in (3, 6, 9))]
    assert (tmp_path / "a.h5").read_bytes() == CONTENT


def test_a_server_that_drops_every_connection_is_retried_only_a_few_times(tmp_path: Path) -> None:
    with odd_server(CONTENT, drop_after=50_000) as server:
        with pytest.raises(
            UserError, match=r"connection was lost after 250,000 of 1,000,000 bytes; what has arrived stays in .*a\.h5\.part"
        ):
            _fetch(server.url, tmp_path / "a.h5")
        assert len(server.asked) == fetching.ATTEMPTS
        server.drop_after = None
        _fetch(server.url, tmp_path / "a.h5")
    assert (tmp_path / "a.h5").read_bytes() == CONTENT


def test_a_server_without_ranges_that_drops_connections_is_tried_twice(tmp_path: Path) -> None:
    with (
        odd_server(CONTENT, drop_after=500_000, ranges=False) as server,
        pytest.raises(UserError, match="after 500,000 of 1,000,000"),
    ):
        _fetch(server.url, tmp_path / "a.h5")
    assert len(server.asked) == 2


@pytest.mark.parametrize("how", [{"ranges": False}, {"etag": '"second"'}, {"wrong_start": True}], ids=str)
def test_a_download_that_cannot_be_resumed_starts_over(tmp_path: Path, how: dict) -> None:
    _leave_part(tmp_path, bytes(500_000))
    with odd_server(CONTENT, **how) as server:
        assert _fetch(server.url, tmp_path / "a.h5")
    assert server.asked[0]["range"] == "bytes=500000-"
    assert (tmp_path / "a.h5").read_bytes() == CONTENT


def test_a_download_starts_over_if_the_file_changes_midway(tmp_path: Path) -> None:
    old = bytes(len(CONTENT))

    def change(done: int, total: int) -> None:
        if done >= 300_000 and server.content is old:
            server.content, server.etag, server.drop_after = CONTENT, '"second"', None

    with odd_server(old, drop_after=300_000) as server:
        assert _fetch(server.url, tmp_path / "a.h5", report=change)
    assert server.asked[1]["if-range"] == '"first"'
    assert (tmp_path / "a.h5").read_bytes() == CONTENT


def test_a_file_shorter_than_its_partial_download_is_requested_anew_and_refused(tmp_path: Path) -> None:
    _leave_part(tmp_path, CONTENT[:500_000], validator=None)
    with (
        odd_server(CONTENT[:400_000]) as server,
        pytest.raises(UserError, match="must have 1,000,000 bytes, and has 400,000"),
    ):
        _fetch(server.url, tmp_path / "a.h5")
    assert [asked.get("range") for asked in server.asked] == ["bytes=500000-", None]


def test_weak_etags_are_not_sent_back(tmp_path: Path) -> None:
    with odd_server(CONTENT, drop_after=600_000, etag='W/"first"') as server:
        _fetch(server.url, tmp_path / "a.h5")
    assert [asked.get("if-range") for asked in server.asked] == [None, None]


@pytest.mark.parametrize(
    ("sha256", "text"),
    [("1" * 64, None), (SHA256, "no JSON"), (SHA256, "[]"), (SHA256, '{"sha256": 1, "validator": 2}'), (SHA256, "")],
)
def test_a_partial_file_of_another_download_is_not_resumed(tmp_path: Path, sha256: str, text: str | None) -> None:
    _leave_part(tmp_path, bytes(500_000), sha256=sha256)
    if text is not None:
        (tmp_path / "a.h5.part.json").write_text(text)
    with odd_server(CONTENT) as server:
        assert _fetch(server.url, tmp_path / "a.h5")
    assert [asked.get("range") for asked in server.asked] == [None]
    assert _names(tmp_path) == ["a.h5"]


def test_a_damaged_partial_file_is_downloaded_again_from_the_start(tmp_path: Path) -> None:
    _leave_part(tmp_path, bytes(500_000))
    with odd_server(CONTENT) as server:
        assert _fetch(server.url, tmp_path / "a.h5")
    assert [asked.get("range") for asked in server.asked] == ["bytes=500000-", None]
    assert (tmp_path / "a.h5").read_bytes() == CONTENT


def test_a_partial_file_that_is_already_complete_needs_no_server(tmp_path: Path) -> None:
    """A process killed between the last byte and the renaming leaves such a file."""
    (tmp_path / "a.h5.part").write_bytes(CONTENT)
    assert _fetch("http://127.0.0.1:9/none", tmp_path / "a.h5")
    assert _names(tmp_path) == ["a.h5"]


def test_a_flipped_bit_is_detected_and_nothing_is_kept(tmp_path: Path) -> None:
    flipped = bytearray(CONTENT)
    flipped[700_000] ^= 4
    with (
        odd_server(bytes(flipped)) as server,
        pytest.raises(UserError, match=rf"its sha256 must be {SHA256}, but is not"),
    ):
        _fetch(server.url, tmp_path / "a.h5")
    assert _names(tmp_path) == []


def test_a_file_of_the_wrong_size_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with (
        odd_server(CONTENT + b"x") as server,
        pytest.raises(UserError, match="must have 1,000,000 bytes, and has 1,000,001"),
    ):
        _fetch(server.url, tmp_path / "a.h5")
    (tmp_path / "short").write_bytes(CONTENT[1:])
    with pytest.raises(UserError, match="must have 1,000,000 bytes, and has 999,999"):
        _fetch(str(tmp_path / "short"), tmp_path / "a.h5")
    assert _names(tmp_path) == ["short"]


def test_no_byte_beyond_the_expected_size_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server does not announce the size of its response."""
    written, write = [], os.write
    monkeypatch.setattr(part.os, "write", lambda descriptor, data: written.append(write(descriptor, data)) or written[-1])
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + CONTENT + bytes(500_000)
    with raw_server(endless) as address, pytest.raises(UserError, match="more than the 1,000,000 bytes of this file"):
        _fetch(address, tmp_path / "a.h5")
    assert 0 < sum(written) <= len(CONTENT)
    assert _names(tmp_path) == []


def test_a_response_that_ends_early_is_kept_as_a_partial_file(tmp_path: Path) -> None:
    short = b"HTTP/1.1 200 OK\r\n\r\n" + CONTENT[:10_000]
    with raw_server(short, short) as address, pytest.raises(UserError, match="lost after 10,000 of 1,000,000 bytes"):
        _fetch(address, tmp_path / "a.h5")
    assert _names(tmp_path) == ["a.h5.part", "a.h5.part.json"]


def test_a_lack_of_disk_space_is_reported_before_the_first_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", ["free"])
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(999_999))
    with (
        odd_server(CONTENT) as server,
        pytest.raises(UserError, match="needs 1,000,000 more bytes, and its disk has 999,999 free"),
    ):
        _fetch(server.url, tmp_path / "a.h5")
    assert server.asked == []
    assert _names(tmp_path) == []


def test_a_disk_that_fills_up_midway_is_reported_and_the_download_can_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        room = 300_000 - os.fstat(descriptor).st_size
        if room <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[:room])

    with odd_server(CONTENT) as server:
        with monkeypatch.context() as patched:
            patched.setattr(part.os, "write", full)
            with pytest.raises(
                UserError, match=r"needs 700,000 more bytes, and its disk has [\d,]+ free; make room.*has arrived stays in"
            ):
                _fetch(server.url, tmp_path / "a.h5")
        assert (tmp_path / "a.h5.part").read_bytes() == CONTENT[:300_000]
        assert _fetch(server.url, tmp_path / "a.h5")
    assert server.asked[-1]["range"] == "bytes=300000-"
    assert _names(tmp_path) == ["a.h5"]


def test_a_second_download_of_the_same_file_is_refused_and_the_first_completes(tmp_path: Path) -> None:
    begun, outcomes = threading.Event(), []
    with odd_server(CONTENT, pause=0.01) as server:
        first = threading.Thread(
            target=lambda: outcomes.append(_fetch(server.url, tmp_path / "a.h5", report=lambda done, total: begun.set()))
        )
        first.start()
        assert begun.wait(10)
        with pytest.raises(
            UserError, match=r"a\.h5\.part: another process is downloading this file; wait for it, or end it"
        ):
            _fetch(server.url, tmp_path / "a.h5")
        first.join()
    assert outcomes == [True]
    assert (tmp_path / "a.h5").read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_a_partial_file_renamed_while_it_is_being_opened_is_not_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process finishes after we open its partial file and before we lock it."""
    _leave_part(tmp_path, CONTENT)
    lock = fcntl.flock

    def finished_first(descriptor: int, how: int) -> None:
        if (tmp_path / "a.h5.part.json").exists():
            (tmp_path / "a.h5.part.json").unlink()
            os.replace(tmp_path / "a.h5.part", tmp_path / "a.h5")
        lock(descriptor, how)

    monkeypatch.setattr(locks.fcntl, "flock", finished_first)
    with odd_server(bytes(len(CONTENT))) as server:
        assert not _fetch(server.url, tmp_path / "a.h5")
    assert server.asked == []
    assert (tmp_path / "a.h5").read_bytes() == CONTENT
    assert _names(tmp_path) == ["a.h5"]


def test_a_partial_file_removed_while_it_is_being_opened_is_started_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process discards its wrong download after we open its partial file and before we lock it."""
    _leave_part(tmp_path, CONTENT[:1000])
    lock, opened = fcntl.flock, []

    def removed_first(descriptor: int, how: int) -> None:
        opened.append(descriptor)
        if len(opened) == 1:
            (tmp_path / "a.h5.part.json").unlink()
            (tmp_path / "a.h5.part").unlink()
        lock(descriptor, how)

    monkeypatch.setattr(locks.fcntl, "flock", removed_first)
    with odd_server(CONTENT) as server:
        assert _fetch(server.url, tmp_path / "a.h5")
    assert len(opened) == 2
    assert (tmp_path / "a.h5").read_bytes() == CONTENT
    assert _names(tmp_path) == ["a.h5"]


@pytest.mark.parametrize("content", [b"mine", bytes(len(CONTENT))])
def test_an_existing_file_with_other_content_is_not_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.h5").write_bytes(content)
    with odd_server(CONTENT) as server, pytest.raises(UserError, match="already exists and is not the published file"):
        _fetch(server.url, tmp_path / "a.h5")
    assert (tmp_path / "a.h5").read_bytes() == content
    assert _names(tmp_path) == ["a.h5"]


def test_a_partial_file_longer_than_the_whole_file_is_discarded(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(CONTENT)
    _leave_part(tmp_path, CONTENT + b"x")
    assert _fetch(str(tmp_path / "source"), tmp_path / "a.h5")
    assert (tmp_path / "a.h5").read_bytes() == CONTENT


def test_a_partial_file_that_is_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "a.h5.part").symlink_to(tmp_path / "precious")
    (tmp_path / "b.h5.part.json").symlink_to(tmp_path / "precious")
    with odd_server(CONTENT) as server:
        with pytest.raises(UserError, match=r"a\.h5: cannot be written"):
            _fetch(server.url, tmp_path / "a.h5")
        _fetch(server.url, tmp_path / "b.h5")
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_target_folder_that_is_a_file_is_reported_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        odd_server(CONTENT) as server,
        pytest.raises(UserError, match=r"file/a\.h5: cannot be written .*choose another folder"),
    ):
        _fetch(server.url, tmp_path / "file" / "a.h5")


def test_downloads_work_from_pythons_own_static_file_server(tmp_path: Path) -> None:
    """This server ignores range requests."""
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "a.h5").write_bytes(CONTENT)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path / "public")) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        address = f"http://127.0.0.1:{server.server_address[1]}/a.h5"
        try:
            assert _fetch(address, tmp_path / "a.h5")
            (tmp_path / "a.h5").unlink()
            _leave_part(tmp_path, bytes(1000))
            assert _fetch(address, tmp_path / "a.h5")
        finally:
            server.shutdown()
            thread.join()
    assert (tmp_path / "a.h5").read_bytes() == CONTENT
    assert _names(tmp_path) == ["a.h5", "public"]


def test_pauses_between_retries_double_and_retries_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept = []
    monkeypatch.setattr(fetching, "PAUSE", 0.5)
    monkeypatch.setattr(time, "sleep", slept.append)
    with odd_server(CONTENT, drop_after=50_000) as server, pytest.raises(UserError, match="lost after 250,000"):
        _fetch(server.url, tmp_path / "a.h5")
    assert [pause for pause in slept if pause] == [0.5, 1.0, 2.0, 4.0]
