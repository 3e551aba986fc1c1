"""The server of benchmark files, tested over real connections."""

import hashlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from running_server import running_server

from perturb.distribution import server as serving
from perturb.distribution.index import LARGEST_INDEX
from perturb.distribution.server import file_server
from perturb.errors import UserError

Address = tuple[str, int]
ENDS = ['"GET /noise.h5 HTTP/1.1" 206', '"GET /nothing HTTP/1.1" 404']
CONTENT = np.random.default_rng(2).bytes(100_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def _entry(file: str, **changes: object) -> dict:
    name = f"mini-{re.sub('[^a-z]', '', file)}"
    about = {"dataset": "mini", "variant": "noise", "epsilon": 0.1, "images": 1}
    return {"name": name, "file": file, "bytes": len(CONTENT), "sha256": SHA256} | about | changes


def _write_index(folder: Path, *files: str, **changes: object) -> None:
    text = json.dumps({"format": 1, "entries": [_entry(file, **changes) for file in files]})
    (folder / "index.json").write_text(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two listed files and many that must not be served."""
    public = tmp_path / "public"
    (public / "sub").mkdir(parents=True)
    (public / "other").mkdir()
    for name in ("noise.h5", "sub/b c.h5", "unlisted.h5", "other/unlisted.h5"):
        (public / name).write_bytes(CONTENT)
    for name in ("README.md", "sub/croissant.json", "sub/m.safetensors", "notes.txt", "other/README.md", "x.recipe.json"):
        (public / name).write_text(name)
    (tmp_path / "secret.h5").write_bytes(CONTENT)
    _write_index(public, "noise.h5", "sub/b c.h5")
    return public


@pytest.fixture
def server(folder: Path) -> Iterator[tuple[str, int]]:
    """Host and port of the running server."""
    with running_server(folder) as address:
        found = urlsplit(address)
        yield found.hostname, found.port


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = response.status, response.headers, response.read()


def _ask(server: Address, path: str, method: str = "GET", **headers: str) -> Answer:
    connection = http.client.HTTPConnection(*server, timeout=5)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        return Answer(connection.getresponse())
    finally:
        connection.close()


def _raw(server: Address, text: bytes) -> bytes:
    """Everything the server answers to these bytes until it closes the connection."""
    with socket.create_connection(server, timeout=5) as connection:
        connection.sendall(text)
        return b"".join(iter(lambda: connection.recv(1 << 16), b""))


@pytest.mark.parametrize("path", ["/noise.h5", "/sub/b%20c.h5", "/noise.h5?x=1"])
def test_a_listed_file_is_served_whole_with_its_hash_as_etag(server: Address, path: str) -> None:
    found = _ask(server, path)
    assert (found.status, found.body) == (200, CONTENT)
    assert found.headers["Content-Length"] == str(len(CONTENT))
    assert found.headers["Accept-Ranges"] == "bytes"
    assert found.headers["ETag"] == f'"{SHA256}"'
    assert found.headers["Last-Modified"].endswith(" GMT")
    assert found.headers["Content-Type"] == "application/x-hdf5"
    assert re.fullmatch(r"perturb/[\d.]+", found.headers["Server"])


def test_a_head_request_gives_the_same_headers_without_the_body(server: Address) -> None:
    whole, head = _ask(server, "/noise.h5"), _ask(server, "/noise.h5", "HEAD")
    assert (head.status, head.body) == (200, b"")
    for name in ("Content-Length", "ETag", "Last-Modified", "Accept-Ranges", "Content-Type"):
        assert head.headers[name] == whole.headers[name]
    assert (_ask(server, "/nothing", "HEAD").status, _ask(server, "/nothing", "HEAD").body) == (404, b"")


@pytest.mark.parametrize(
    ("asked", "first", "end"),
    [
        ("0-0", 0, 1),
        ("1000-1999", 1000, 2000),
        ("99999-", 99_999, 100_000),
        ("-500", 99_500, 100_000),
        ("5-999999", 5, 100_000),
    ],
)
def test_a_range_is_answered_with_its_bytes(server: Address, asked: str, first: int, end: int) -> None:
    found = _ask(server, "/noise.h5", Range=f"bytes={asked}")
    assert (found.status, found.body) == (206, CONTENT[first:end])
    assert found.headers["Content-Range"] == f"bytes {first}-{end - 1}/100000"
    assert found.headers["Content-Length"] == str(end - first)


def test_a_range_beyond_the_end_is_416_with_the_size(server: Address) -> None:
    found = _ask(server, "/noise.h5", Range="bytes=100000-")
    assert (found.status, found.headers["Content-Range"]) == (416, "bytes */100000")


def test_if_range_decides_between_the_range_and_the_whole_file(server: Address) -> None:
    date = _ask(server, "/noise.h5", "HEAD").headers["Last-Modified"]
    for condition, status in [
        (f'"{SHA256}"', 206),
        (date, 206),
        ('"other"', 200),
        (f'W/"{SHA256}"', 200),
        ("Mon, 1 Jan", 200),
    ]:
        assert _ask(server, "/noise.h5", Range="bytes=9-", If_Range=condition).status == status, condition


def test_companions_of_listed_files_are_public(server: Address) -> None:
    for path in ("README.md", "sub/croissant.json"):
        assert _ask(server, f"/{path}").body == path.encode()
    assert json.loads(_ask(server, "/index.json").body)["entries"][0]["file"] == "noise.h5"


@pytest.mark.parametrize(
    "path",
    [
        "/", "", "/unlisted.h5", "/other/unlisted.h5", "/other/README.md", "/notes.txt", "/x.recipe.json",
        "/sub/m.safetensors", "/sub", "/sub/",
        "/../secret.h5", "/%2e%2e/secret.h5", "/..%2fsecret.h5", "/%2e%2e%2fsecret.h5", "/sub/../../secret.h5",
        "/sub/%2e%2e/%2e%2e/secret.h5", "/..%5csecret.h5", "/sub/../README.md", "//etc/passwd", "/%2fetc/passwd",
        "/noise.h5%00", "/noise.h5/", "/./noise.h5", "/NOISE.H5", "/sub%2f..%2fnoise.h5", "http://x/../secret.h5",
        "/%252e%252e/secret.h5",
    ],
)  # fmt: skip
def test_anything_else_is_not_found(server: Address, path: str) -> None:
    answer = _raw(server, f"GET {path or '*'} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 404 "), answer
    assert CONTENT[:50] not in answer


def test_links_that_leave_the_folder_are_not_followed(server: Address, folder: Path) -> None:
    (folder / "out.h5").symlink_to(folder.parent / "secret.h5")
    (folder / "sub" / "out.safetensors").symlink_to("../../secret.h5")
    (folder / "away").symlink_to(folder.parent)
    (folder / "loop.h5").symlink_to("loop.h5")
    (folder / "in.h5").symlink_to("noise.h5")
    _write_index(folder, "out.h5", "sub/b c.h5", "away/secret.h5", "loop.h5", "in.h5", "missing.h5", "sub")
    for path in ("out.h5", "sub/out.safetensors", "away/secret.h5", "loop.h5", "missing.h5", "sub"):
        assert _ask(server, f"/{path}").status == 404, path
    assert _ask(server, "/in.h5").body == CONTENT


def test_a_named_pipe_does_not_block_the_server(server: Address, folder: Path) -> None:
    os.mkfifo(folder / "pipe.safetensors")
    assert _ask(server, "/pipe.safetensors").status == 404


def test_a_file_that_differs_from_its_listing_is_not_served(server: Address, folder: Path) -> None:
    (folder / "noise.h5").write_bytes(CONTENT + b"x")
    assert _ask(server, "/noise.h5").status == 404


def test_a_new_index_is_picked_up(server: Address, folder: Path) -> None:
    assert _ask(server, "/unlisted.h5").status == 404
    _write_index(folder, "unlisted.h5", sha256="1" * 64)
    assert _ask(server, "/unlisted.h5").headers["ETag"] == f'"{"1" * 64}"'
    assert _ask(server, "/noise.h5").status == 404
    (folder / "index.json").write_text("broken")
    assert _ask(server, "/unlisted.h5").status == 503


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"])
def test_other_methods_are_refused(server: Address, folder: Path, method: str) -> None:
    found = _ask(server, "/noise.h5", method)
    assert (found.status, set(found.headers["Allow"].split(", "))) == (405, {"GET", "HEAD"})
    assert (folder / "noise.h5").read_bytes() == CONTENT


def test_one_connection_serves_many_requests(server: Address) -> None:
    connection = http.client.HTTPConnection(*server, timeout=5)
    for path, status in [("/noise.h5", 200), ("/none", 404), ("/README.md", 200)]:
        connection.request("GET", path)
        found = connection.getresponse()
        found.read()
        assert found.status == status
        sock = connection.sock
    assert connection.sock is sock
    connection.close()


def test_a_client_that_disconnects_midway_is_no_error(server: Address, folder: Path, capfd: pytest.CaptureFixture) -> None:
    large = folder / "croissant.json"
    with large.open("wb") as file:
        file.truncate(1 << 28)
    for _ in range(3):
        with socket.create_connection(server) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            connection.sendall(b"GET /croissant.json HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
    assert _ask(server, "/noise.h5").body == CONTENT
    assert capfd.readouterr().err == ""


def test_clients_are_served_concurrently(server: Address) -> None:
    with socket.create_connection(server), ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda k: _ask(server, "/noise.h5", Range=f"bytes={k}000-").body, range(1, 20)))
    assert found == [CONTENT[1000 * k :] for k in range(1, 20)]


def test_every_request_is_logged_in_one_line_unless_quiet(folder: Path, capfd: pytest.CaptureFixture) -> None:
    for quiet in (True, False):
        with running_server(folder, quiet=quiet) as address:
            server = urlsplit(address).hostname, urlsplit(address).port
            _ask(server, "/noise.h5", Range="bytes=0-4")
            _ask(server, "/nothing")
        for line, end in zip(capfd.readouterr().err.splitlines(), [] if quiet else ENDS, strict=True):
            assert line.endswith(end)


def test_a_request_body_is_not_mistaken_for_the_next_request(server: Address) -> None:
    smuggled = b"GET /index.json HTTP/1.1\r\nHost: x\r\n\r\n"
    for method in (b"GET", b"POST"):
        head = b" /README.md HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " + str(len(smuggled)).encode()
        assert _raw(server, method + head + b"\r\n\r\n" + smuggled).count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("asked", ["bytes=7-3", "lines=1-2", "bytes=", "bytes=x"])
def test_a_malformed_range_is_refused(server: Address, asked: str) -> None:
    assert _ask(server, "/noise.h5", Range=asked).status == 400


def test_several_ranges_are_answered_as_multipart(server: Address) -> None:
    found = _ask(server, "/noise.h5", Range="bytes=0-9,50-59")
    assert (found.status, found.headers.get_content_type()) == (206, "multipart/byteranges")
    assert CONTENT[:10] in found.body
    assert CONTENT[50:60] in found.body


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        b"\x00\x01\x02 / HTTP/x\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_a_malformed_request_is_refused_and_the_server_continues(
    server: Address, request_: bytes, capfd: pytest.CaptureFixture
) -> None:
    assert _raw(server, request_).startswith(b"HTTP/1.1 400 ")
    assert _ask(server, "/noise.h5").status == 200
    assert capfd.readouterr().err == ""


def test_excess_connections_are_answered_with_503(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "MOST_CONNECTIONS", 2)
    with running_server(folder) as address:
        server = urlsplit(address).hostname, urlsplit(address).port
        with socket.create_connection(server) as first:
            first.sendall(b"GET /README.md HTTP/1.1\r\nHost: x\r\n\r\n")
            assert first.recv(100).startswith(b"HTTP/1.1 200")
            assert _ask(server, "/README.md").status == 503


def test_a_port_in_use_is_reported_in_one_sentence(server: Address, folder: Path) -> None:
    port = server[1]
    with pytest.raises(UserError, match=rf"--port {port} of 127\.0\.0\.1 is taken; choose another one, or 0"):
        file_server(folder, port=port)


@pytest.mark.parametrize("host", ["192.0.2.1", "x" * 70])
def test_an_address_of_another_machine_is_reported_in_one_sentence(folder: Path, host: str) -> None:
    with pytest.raises(UserError, match=rf"--host {re.escape(host)} is no address of this machine"):
        file_server(folder, host=host, port=0)


def test_a_folder_without_a_valid_index_is_not_served(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"index\.json: cannot be read .*`perturb dataset index .*` writes it"):
        file_server(tmp_path, port=0)
    (tmp_path / "index.json").write_text("[]")
    with pytest.raises(UserError, match="this is not an index of ours"):
        file_server(tmp_path, port=0)
    (tmp_path / "index.json").write_text(" " * (LARGEST_INDEX + 1))
    with pytest.raises(UserError, match="it has more than 1,048,576 bytes"):
        file_server(tmp_path, port=0)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminated"])
def test_the_command_serves_until_it_is_stopped(folder: Path, stop: signal.Signals) -> None:
    # Background jobs of a shell ignore Ctrl-C, and the tests may run as one.
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from perturb.cli import main; main()"
    command = [sys.executable, "-c", code, "dataset", "serve", str(folder), "--port", "0", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            found = re.search(r"at http://127\.0\.0\.1:(\d+), read-only; Ctrl-C ends it", process.stdout.readline())
            connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=5)
            connection.request("GET", "/noise.h5")
            assert connection.getresponse().read() == CONTENT
            process.send_signal(stop)
            out, err = process.communicate(timeout=10)
            connection.close()
        finally:
            process.kill()
    assert (process.returncode, out, err) == (0, "ended.\n", "")
