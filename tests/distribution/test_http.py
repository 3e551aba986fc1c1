"""Addresses and responses that are refused, and the messages that say why."""

import gzip
import socket
from pathlib import Path

import pytest
from odd_server import raw_server

from perturb.distribution import http as remote
from perturb.distribution.http import address_below, ask, read_at_most
from perturb.errors import UserError

HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
GZIPPED = gzip.compress(b"x", mtime=0)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def _redirect(target: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("base", "name", "address"),
    [
        ("http://host/files/", "a/b.h5", "http://host/files/a/b.h5"),
        ("https://host:1", "./a b#c?d.h5", "https://host:1/a%20b%23c%3Fd.h5"),
        ("http://host/x?key=1", "http://evil/a.h5", "http://host/x/http%3A/evil/a.h5?key=1"),
        ("/data/files", "a/b.h5", "/data/files/a/b.h5"),
        ("file:///data/my%20files", "a.h5", "/data/my files/a.h5"),
    ],
)
def test_a_name_is_appended_below_the_base_address(base: str, name: str, address: str) -> None:
    assert address_below(base, name) == address


@pytest.mark.parametrize("address", ["ftp://host/a", "http:///a", "file://host/a", "http://[::1/a", "data://x", "", "a\0b"])
def test_only_http_addresses_and_local_paths_are_accepted(address: str) -> None:
    with pytest.raises(
        UserError, match="must be an address that begins with http:// or https://, or a path on this machine"
    ):
        read_at_most(address, 10)


def test_a_local_path_without_a_readable_file_is_reported_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such file"):
        read_at_most(str(tmp_path), 10)
    with pytest.raises(UserError, match="cannot be read"):
        read_at_most(str(tmp_path / ("x" * 1000)), 10)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"HTTP/1.1 404 Nope\x1b[31m\r\n\r\n", "the server answers 404 Not Found; check the address"),
        (b"HTTP/1.1 503 x\r\n\r\n", "the server answers 503 Service Unavailable"),
        (b"HTTP/1.1 999 x\r\n\r\n", r"the server answers 999 \(unknown\)"),
        (
            b"HTTP/1.1 206 x\r\nContent-Range: bytes 1-2/3\r\nContent-Length: 2\r\n\r\nab",
            "sends part of the file although all was requested",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + GZIPPED,
            "another encoding than requested",
        ),
        (b"hello, I speak no HTTP\r\n", "the connection broke before an answer came; is this a web server"),
        (b"", "the connection broke before an answer came"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: " + b"x" * 70_000 + b"\r\n\r\n", "the connection broke before an answer came"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", "the connection was lost after 5 bytes; try again"),
        (_redirect("ftp://127.0.0.1/a"), "redirects from http to 'ftp', which is not followed"),
        (_redirect("http://["), r"redirects to 'http://\[', which is no address; check the address"),
        (_redirect("//[::1"), r"redirects to '//\[::1', which is no address"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n", "states a size that is not a number of bytes"),
        (_redirect("file:///etc/passwd"), "redirects from http to 'file', which is not followed"),
    ],
)
def test_an_unusable_response_is_reported_in_one_sentence(answer: bytes, sentence: str) -> None:
    with raw_server(answer) as address, pytest.raises(UserError, match=sentence) as caught:
        read_at_most(address, 100)
    assert str(caught.value).startswith(address)
    assert str(caught.value).isprintable()


def test_redirects_are_followed_up_to_a_limit() -> None:
    with raw_server(HELLO) as last, raw_server(_redirect(last)) as first:
        assert read_at_most(first, 100) == b"hello"
    with raw_server(*[_redirect("/again")] * 6) as address, pytest.raises(UserError, match="redirects more than 5 times"):
        read_at_most(address, 100)


def test_the_body_of_a_redirect_is_not_read() -> None:
    endless = _redirect("/again").replace(b"Content-Length: 0", b"Content-Length: 1000000000000")
    with raw_server(endless, HELLO) as address:
        assert read_at_most(address, 100) == b"hello"


def test_a_redirect_from_https_to_http_is_refused() -> None:
    assert remote._redirected("https://a/x", "//b/y") == "https://b/y"
    assert remote._redirected("http://a/x", "https://b/y") == "https://b/y"
    with pytest.raises(UserError, match="redirects from https to 'http', which is not followed"):
        remote._redirected("https://a/x", "http://a/x")


def test_reading_stops_at_the_byte_limit() -> None:
    with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000) as address:
        assert read_at_most(address, 10) == b"x" * 10


def test_a_refused_connection_is_reported_in_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"http://127.0.0.1:{free.getsockname()[1]}/a"
    with pytest.raises(UserError, match="the connection was refused; is the server running, and the port right"):
        read_at_most(address, 10)


def test_a_host_name_that_cannot_be_resolved_is_reported_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*arguments: object, **options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setenv("NO_PROXY", "*")
    with pytest.raises(UserError, match="the host's name cannot be resolved; check the address and the network"):
        read_at_most("http://nowhere.invalid/a", 10)


@pytest.mark.parametrize("address", ["http://..../a", "http://" + "ä" * 70 + ".de/", "http://a:b/"])
def test_a_malformed_host_is_reported_in_one_sentence(address: str) -> None:
    with pytest.raises(UserError, match="is not an address that can be requested"):
        read_at_most(address, 10)


def test_a_request_to_a_silent_server_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "TIMEOUT", (0.2, 0.2))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/a"
        with pytest.raises(UserError, match="does not answer in time; try again later"):
            read_at_most(address, 10)


def test_a_multipart_response_is_not_mistaken_for_the_file() -> None:
    parts = b"HTTP/1.1 206 x\r\nContent-Type: multipart/byteranges; boundary=x\r\nContent-Length: 3\r\n\r\n--x"
    with raw_server(parts, HELLO) as address, ask(address, offset=2, size=5) as answer:
        assert (answer.start, b"".join(answer.chunks)) == (0, b"hello")
