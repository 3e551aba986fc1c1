"""A small HTTP server for a folder of benchmark files: read-only, with range requests, on loopback by default.

It uses Starlette and uvicorn; any static host would do as well. Public are the folder's index, the files that it lists, and
a few companions by name.
"""

import errno
import logging
import mimetypes
import os
import socket
import stat
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from perturb import __version__
from perturb.distribution.index import INDEX, LARGEST_INDEX, Index, parse_index
from perturb.errors import UserError, adds
from perturb.machine import terminated_as_interrupted
from perturb.reading import read_regular

if TYPE_CHECKING:
    import uvicorn
    from starlette.applications import Starlette

MOST_CONNECTIONS = 64
"""Maximum number of connections at a time; further ones are told to come back."""
PATIENCE = 30
"""Seconds that an idle connection stays open."""
COMPANIONS = ("README.md", "croissant.json")
"""Files that are public if they are next to the index or a listed file."""
TYPES = {".h5": "application/x-hdf5", ".md": "text/markdown; charset=utf-8"}
NOT_PUBLIC = "404 Not Found: this server has index.json and the files that it lists, nothing else\n"
BROKEN_INDEX = "503 Service Unavailable: the index of this server is broken\n"


def serve(folder: Path, *, host: str = "127.0.0.1", port: int = 8000, quiet: bool = False) -> None:
    """Serve a folder until Ctrl-C or SIGTERM; print its address to stdout.

    Raises:
        UserError: as for `file_server`.

    """
    server, listener = file_server(folder, host=host, port=port, quiet=quiet)
    with listener, terminated_as_interrupted():  # uvicorn shuts down, and then raises its signal again
        print(f"{folder} is at {url_of(listener)}, read-only; Ctrl-C ends it.", flush=True)
        try:
            server.run(sockets=[listener])
        except KeyboardInterrupt:
            print("ended.")


def file_server(
    folder: Path, *, host: str = "127.0.0.1", port: int = 8000, quiet: bool = False
) -> tuple["uvicorn.Server", socket.socket]:
    """Return a server of a folder's public files, and the socket that it listens on once it runs.

    Args:
        folder: a folder with an index.
        host: address to listen on.
        port: port to listen on; 0: any free one.
        quiet: whether to log no requests.

    Raises:
        UserError: the folder has no index, the address cannot be listened on, or Starlette or uvicorn is not installed.

    """
    published_index(folder)
    try:
        import uvicorn

        app = application(folder)
    except ImportError as error:
        raise UserError(f"{error.name} is not installed: {adds('serve')}.") from None
    config = uvicorn.Config(
        app,
        lifespan="off",
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=PATIENCE,
        log_config=None,
        log_level="critical" if quiet else "warning",
        access_log=not quiet,
        server_header=False,
        headers=[("Server", f"perturb/{__version__}")],
    )
    if not quiet:
        _log_requests()
    return uvicorn.Server(config), _bound(host, port)


def _log_requests() -> None:
    """Print a line for each request to stderr."""
    log, lines = logging.getLogger("uvicorn.access"), logging.StreamHandler()
    lines.setFormatter(logging.Formatter("%(asctime)s  %(message)s"))
    log.handlers, log.propagate = [lines], False
    log.setLevel(logging.INFO)


def url_of(listener: socket.socket) -> str:
    """Return the URL of a server that listens on a socket."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def application(folder: Path) -> "Starlette":
    """Return an ASGI application that serves GET and HEAD requests for a folder's public files, and nothing else."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import FileResponse, PlainTextResponse, Response
    from starlette.routing import Route

    def answer(request: Request) -> Response:
        name = request.path_params["name"]
        try:
            path, found, sha256 = public_file(folder, name)
        except FileNotFoundError:
            return PlainTextResponse(NOT_PUBLIC, status_code=404)
        except UserError as error:
            logging.getLogger(__name__).error("%s", error)
            return PlainTextResponse(BROKEN_INDEX, status_code=503)
        headers = {"X-Content-Type-Options": "nosniff"} | ({"ETag": f'"{sha256}"'} if sha256 else {})
        kind = TYPES.get(path.suffix) or mimetypes.guess_type(path)[0]
        return FileResponse(path, headers=headers, media_type=kind, stat_result=found)

    return Starlette(routes=[Route("/{name:path}", answer, methods=["GET"])])


def public_file(folder: Path, name: str) -> tuple[Path, os.stat_result, str | None]:
    """Return a public file's path, its stat result, and its SHA-256 if the index lists it.

    Args:
        folder: the served folder.
        name: path of the file below the folder, with forward slashes.

    Raises:
        FileNotFoundError: it is not public, is missing, leads out of the folder, is not a file, or does not have the listed
            size.
        UserError: the index has become unreadable.

    """
    listed = published_index(folder).files
    if not (name == INDEX or name in listed or _is_companion(name, listed)):
        raise FileNotFoundError(name)
    try:
        path = (folder / name).resolve(strict=True)
        found = path.stat()
    except (OSError, RuntimeError):
        raise FileNotFoundError(name) from None
    entry = listed.get(name)
    is_as_listed = entry is None or entry.bytes == found.st_size
    if not (path.is_relative_to(folder.resolve()) and stat.S_ISREG(found.st_mode) and is_as_listed):
        raise FileNotFoundError(name)
    return path, found, entry.sha256 if entry else None


def published_index(folder: Path) -> Index:
    """Return a folder's current index.

    Raises:
        UserError: there is no index, or it is broken.

    """
    path = folder / INDEX
    try:
        found = path.stat()
        return _parsed(path, found.st_mtime_ns, found.st_ino)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); `perturb dataset index {folder}` writes it.") from None


@lru_cache(maxsize=8)
def _parsed(path: Path, modified: int, number: int) -> Index:
    return parse_index(read_regular(path, LARGEST_INDEX), str(path))


def _is_companion(name: str, listed: dict) -> bool:
    path = PurePosixPath(name)
    beside = {PurePosixPath(".")} | {PurePosixPath(file).parent for file in listed}
    return path.name in COMPANIONS and path.as_posix() == name and path.parent in beside


def _bound(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address of this machine."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()  # only this fails if another process listens on the port
    except (OSError, UnicodeError) as error:
        listener.close()
        raise UserError(_why_not_listening(error, host, port)) from None
    return listener


def _why_not_listening(error: OSError | UnicodeError, host: str, port: int) -> str:
    if isinstance(error, socket.gaierror | UnicodeError) or error.errno == errno.EADDRNOTAVAIL:
        return f"--host {host} is no address of this machine; use 127.0.0.1, or 0.0.0.0 for all of them."
    if error.errno == errno.EADDRINUSE:
        return f"--port {port} of {host} is taken; choose another one, or 0 for any that is free."
    return f"--port {port} of {host} cannot be used ({error.strerror}); choose another one, or 0 for any that is free."
