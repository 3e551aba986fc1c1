"""Servers that send data endlessly, fast or slowly, and the credentials that are sent to servers."""

import base64
from pathlib import Path

import pytest
from odd_server import endless_server, odd_server

from perturb.distribution import budget
from perturb.distribution.fetch import fetch
from perturb.distribution.http import read_at_most
from perturb.errors import UserError

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
MUCH = "the server sends more than the file and its headers take; use another one"
SLOW = "bytes in 1 s, which is below the minimum of 4,000 a second; try again later, or use another one"


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (CHUNKED + b"5\r\nhello\r\n0\r\n", b"X-Trailer: and another one\r\n"),
        (CHUNKED, b"1" * 1_000),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        (b"", b"\r\n"),
    ],
    ids=["interim responses", "trailers", "chunk size", "headers", "empty lines"],
)
def test_a_server_that_endlessly_sends_anything_but_content_is_abandoned(first: bytes, again: bytes) -> None:
    with endless_server(first, again * 100) as address, pytest.raises(UserError) as caught:
        read_at_most(address, 1_000)
    assert str(caught.value).startswith(address)


def test_interim_responses_and_trailers_count_towards_the_byte_budget() -> None:
    for first, again in ((b"", b"HTTP/1.1 100 Continue\r\n\r\n"), (CHUNKED + b"0\r\n", b"X: y\r\n")):
        with endless_server(first, again * 100) as address, pytest.raises(UserError, match=MUCH):
            read_at_most(address, 1_000)


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\n", b"X"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["content", "headers", "interim responses"],
)
def test_a_server_that_sends_only_a_few_bytes_a_second_is_abandoned(
    first: bytes, again: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "PATIENCE", 0.6)
    with endless_server(first, again, pause=0.05) as address, pytest.raises(UserError, match=SLOW):
        read_at_most(address, 1_000)


def test_a_download_that_is_too_slow_is_abandoned_and_its_partial_file_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "PATIENCE", 0.6)
    first = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
    with endless_server(first, b"x", pause=0.05) as address, pytest.raises(UserError, match="which is below the minimum"):
        fetch(address, tmp_path / "a.h5", sha256="0" * 64, size=100_000)
    assert 0 < (tmp_path / "a.h5.part").stat().st_size < 100


def test_passwords_from_a_netrc_file_are_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with odd_server(b"hello") as odd:
        assert read_at_most(odd.url, 10) == b"hello"
    assert "authorization" not in odd.asked[0]


def test_the_proxy_from_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with odd_server(b"hello") as odd:
        monkeypatch.setenv("http_proxy", odd.url.removesuffix("/file.h5").replace("//", "//me:secret@"))
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert read_at_most("http://nowhere.invalid/a", 10) == b"hello"
    assert base64.b64decode(odd.asked[0]["proxy-authorization"].removeprefix("Basic ")) == b"me:secret"
