"""Local web servers that misbehave on purpose, for tests of downloads."""

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BLOCK = 1 << 14


@dataclass
class Odd:
    """One file at every address and how it is served. Tests may change this while the server runs."""

    content: bytes
    etag: str | None = '"first"'
    ranges: bool = True
    wrong_start: bool = False
    """True if the server answers a range request with a range that starts one byte too late."""
    drop_after: int | None = None
    """Number of bytes of an answer after which the connection is closed."""
    pause: float = 0.0
    """Pause in seconds before each block of 16 KiB."""
    url: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)
    """Headers of the requests so far."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        odd: Odd = self.server.odd
        odd.asked.append({name.lower(): value for name, value in self.headers.items()})
        first, total = 0, len(odd.content)
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if found and odd.ranges and self.headers.get("If-Range", odd.etag) == odd.etag:
            first = int(found[1])
        if first >= total:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{total}")
            self.end_headers()
            return
        self.send_response(206 if first else 200)
        if first:
            self.send_header("Content-Range", f"bytes {first + odd.wrong_start}-{total - 1}/{total}")
        self.send_header("Content-Length", str(total - first))
        if odd.etag:
            self.send_header("ETag", odd.etag)
        self.end_headers()
        end = total if odd.drop_after is None else min(total, first + odd.drop_after)
        for place in range(first, end, BLOCK):
            time.sleep(odd.pause)
            self.wfile.write(odd.content[place : min(place + BLOCK, end)])

    def log_message(self, *arguments: object) -> None:
        """Log nothing."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Report nothing, because the tests kill clients."""


@contextmanager
def odd_server(content: bytes, **how: object) -> Iterator[Odd]:
    """Serve one file. The yielded description may be changed while the server runs."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.odd = Odd(content, **how, url=f"http://127.0.0.1:{server.server_address[1]}/file.h5")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.odd
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def raw_server(*answers: bytes) -> Iterator[str]:
    """Address of a server that sends one of these answers to each client in turn and closes the connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer_each() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(1 << 16)
                    connection.sendall(answer)

        thread = threading.Thread(target=answer_each, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/file.h5"


@contextmanager
def endless_server(first: bytes, again: bytes, *, pause: float = 0.0) -> Iterator[str]:
    """Address of a server that sends `first` and then repeats `again` for ever, to one client at a time."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer_each() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection, suppress(OSError):
                    connection.recv(1 << 16)
                    connection.sendall(first)
                    while True:
                        time.sleep(pause)
                        connection.sendall(again)

        threading.Thread(target=answer_each, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/file.h5"
        listener.shutdown(socket.SHUT_RDWR)
