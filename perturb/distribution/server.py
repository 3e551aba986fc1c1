"""A small HTTP server for a folder of benchmark files: read-only, with ranges, on loopback unless asked otherwise.

Python's own http.server carries it, which the library has anyway; a static host would do as well.
"""

import errno
import socket
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from urllib.parse import unquote, urlsplit

from perturb import __version__
from perturb.distribution.byte_ranges import UnsatisfiableRange, requested_range
from perturb.distribution.shelf import Published, opened, published_index
from perturb.errors import UserError

MOST_CONNECTIONS = 64
"""Connections at a time; further ones are told to come back."""
PATIENCE = 30
"""Seconds that a client may take for its next bytes, either way."""
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
TYPES = {".h5": "application/x-hdf5", ".json": "application/json", ".md": "text/markdown; charset=utf-8"}


class FileServer(ThreadingHTTPServer):
    """Serves the public files of a folder, a thread a connection.

    Args:
        folder: with an index.
        host: address to listen at.
        port: to listen at; 0: any that is free.
        quiet: whether requests are not logged on stderr.

    Raises:
        UserError: the folder has no index, or one cannot listen there.

    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, folder: Path, *, host: str = "127.0.0.1", port: int = 8000, quiet: bool = False) -> None:
        self.folder, self.quiet = folder, quiet
        published_index(folder)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._free = threading.BoundedSemaphore(MOST_CONNECTIONS)
        try:
            super().__init__((host, port), _Handler)
        except (OSError, UnicodeError) as error:
            raise UserError(_why_not_listening(error, host, port)) from None

    @property
    def url(self) -> str:
        """The server's address."""
        host = self.server_name
        return f"http://{f'[{host}]' if ':' in host else host}:{self.server_port}"

    def server_bind(self) -> None:
        """Bind without the look-up of the host's full name that http.server does, which can take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.socket.getsockname()[:2]

    def process_request(self, request: socket.socket, client_address: tuple) -> None:
        """Hand a connection to a thread, unless too many are open."""
        if not self._free.acquire(blocking=False):
            request.sendall(BUSY)
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._free.release()
            raise

    def process_request_thread(self, request: socket.socket, client_address: tuple) -> None:
        """Serve a connection to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: socket.socket, client_address: tuple) -> None:
        """Clients that leave midway, or take too long, are no errors of ours."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.0"
    server_version = f"perturb/{__version__}"
    sys_version = ""
    timeout = PATIENCE
    server: FileServer

    def do_GET(self) -> None:
        """Answer with a file or a range of it."""
        self._answer()

    do_HEAD = do_GET

    def do_POST(self) -> None:
        """Refuse, and hang up: what follows the headers must not be read as another request."""
        self._say(HTTPStatus.METHOD_NOT_ALLOWED, "this server is read-only", {"Allow": "GET, HEAD", "Connection": "close"})

    do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_TRACE = do_CONNECT = do_POST

    def version_string(self) -> str:
        """The header Server."""
        return self.server_version

    def log_message(self, format: str, *args: object) -> None:
        """A line on stderr, control characters escaped."""
        if not self.server.quiet:
            super().log_message(format, *args)

    def log_error(self, format: str, *args: object) -> None:
        """Nothing: an error has its line as a request, and connections that fall asleep need none."""

    def _answer(self) -> None:
        if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            self.close_connection = True
        try:
            name = unquote(urlsplit(self.path).path, errors="strict").removeprefix("/")
            with opened(self.server.folder, name) as found:
                if found is None:
                    self._say(HTTPStatus.NOT_FOUND, "this server has index.json and the files that it lists, nothing else")
                else:
                    self._send(found, TYPES.get(Path(name).suffix, "application/octet-stream"))
        except ValueError:
            self._say(HTTPStatus.BAD_REQUEST, "the address must be percent-encoded UTF-8")
        except UserError as error:
            self.log_message("%s", error)
            self._say(HTTPStatus.SERVICE_UNAVAILABLE, "the index of this server is broken")

    def _send(self, found: Published, kind: str) -> None:
        date = self.date_time_string(found.modified)
        try:
            part = self._range(found, date)
        except UnsatisfiableRange:
            self._say(
                HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "no such bytes", {"Content-Range": f"bytes */{found.size}"}
            )
            return
        first, end = part or (0, found.size)
        headers = {
            "Content-Type": kind, "X-Content-Type-Options": "nosniff", "Content-Length": str(end - first),
            "Accept-Ranges": "bytes", "ETag": found.etag, "Last-Modified": date,
        }  # fmt: skip
        if part:
            headers["Content-Range"] = f"bytes {first}-{end - 1}/{found.size}"
        self._head(HTTPStatus.PARTIAL_CONTENT if part else HTTPStatus.OK, headers)
        if self.command == "GET" and end > first and self.connection.sendfile(found.file, first, end - first) < end - first:
            # The file has become shorter meanwhile; only the end of the connection can tell.
            self.close_connection = True

    def _range(self, found: Published, date: str) -> tuple[int, int] | None:
        if self.command != "GET" or self.headers.get("If-Range", found.etag) not in (found.etag, date):
            return None
        return requested_range(self.headers.get("Range"), found.size)

    def _say(self, status: HTTPStatus, sentence: str, headers: dict[str, str] | None = None) -> None:
        text = f"{status} {status.phrase}: {sentence}\n".encode()
        self._head(status, {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(text))} | (headers or {}))
        if self.command != "HEAD":
            self.wfile.write(text)

    def _head(self, status: HTTPStatus, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


def serve(folder: Path, *, host: str = "127.0.0.1", port: int = 8000, quiet: bool = False) -> None:
    """Serve a folder until Ctrl-C; says where on stdout.

    Raises:
        UserError: as `FileServer`.

    """
    with FileServer(folder, host=host, port=port, quiet=quiet) as server:
        print(f"{folder} is at {server.url}, read-only; Ctrl-C ends it.", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("ended.")


def _why_not_listening(error: OSError | UnicodeError, host: str, port: int) -> str:
    if isinstance(error, socket.gaierror | UnicodeError) or error.errno == errno.EADDRNOTAVAIL:
        return f"--host {host} is no address of this machine; use 127.0.0.1, or 0.0.0.0 for all of them."
    if error.errno == errno.EADDRINUSE:
        return f"--port {port} of {host} is taken; choose another one, or 0 for any that is free."
    return f"--port {port} of {host} cannot be used ({error.strerror}); choose another one, or 0 for any that is free."
