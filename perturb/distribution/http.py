"""Read bytes from an http or https address or a local path. Every failure is a one-sentence UserError, or `Dropped`."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from re import fullmatch
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

import requests
from requests.utils import get_environ_proxies
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError

from perturb import __version__
from perturb.distribution.budget import Budget, session_with
from perturb.errors import UserError

CHUNK = 1 << 16
"""Maximum bytes read at a time. Bytes are passed on as soon as they arrive, so that a lost connection loses none."""
TIMEOUT = (10, 30)
"""Seconds to wait for a connection, and for the next bytes."""
MOST_REDIRECTS = 5
NUMBER = "[0-9]{1,19}"
"""Pattern of a number of bytes."""
CERTIFICATES = "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"
"""Environment variables that name a certificate file, as in requests."""


class Dropped(Exception):
    """Raised when the connection is lost midway; requesting the rest may succeed."""


@dataclass(frozen=True)
class Answer:
    """A server's answer to a request."""

    start: int
    """Offset of its first byte in the file: the requested one, or 0."""
    validator: str | None
    """The validator for a later If-Range header: a strong ETag or a date."""
    chunks: Iterator[bytes]
    """Chunks to the end of the file; the iterator raises Dropped when the connection breaks."""


def address_below(base: str, name: str) -> str:
    """Return the address of a file below a folder, given its relative path with forward slashes."""
    path = PurePosixPath(name).as_posix()
    if (folder := _local_path(base)) is not None:
        return str(folder / path)
    parts = urlsplit(base)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{quote(path)}"))


def is_web_address(text: str) -> bool:
    """Return whether text is an http or https address without spaces or unprintable characters."""
    try:
        return text.isprintable() and " " not in text and bool(urlsplit(text).hostname) and _local_path(text) is None
    except (ValueError, UserError):
        return False


@contextmanager
def ask(
    address: str,
    *,
    offset: int = 0,
    size: int | None = None,
    most: int = 0,
    validator: str | None = None,
) -> Iterator[Answer]:
    """Request a file from an offset on.

    Args:
        address: http://, https://, file:// or a path.
        offset: offset of the first wanted byte. Servers that do not support ranges, or whose file has changed, begin at 0.
        size: size of the whole file in bytes; None: any.
        most: maximum bytes to read if `size` is None.
        validator: validator of the file that the bytes before `offset` came from.

    Raises:
        UserError: the server cannot be reached or answers with an error, the file has another size, or the scheme is not
            supported; also while reading, if the server sends too slowly or too much (perturb/distribution/budget.py).

    """
    if (path := _local_path(address)) is not None:
        with _read(path, offset, size) as answer:
            yield answer
        return
    headers = {"Accept-Encoding": "identity", "User-Agent": f"perturb/{__version__}"}
    if offset:
        headers |= {"Range": f"bytes={offset}-"} | ({"If-Range": validator} if validator else {})
    with _requested(address, headers, session_with(Budget(address, most if size is None else size))) as response:
        start = _checked_start(response, address, offset, size)
        if start is not None:
            read = partial(response.raw.read1, CHUNK, decode_content=False)
            yield Answer(start, _validator(response), _until_dropped(read))
            return
    with ask(address, size=size, most=most) as answer:
        yield answer


def read_at_most(address: str, limit: int) -> bytes:
    """Return the first `limit` bytes of a small file; raise as `ask` does."""
    text = b""
    try:
        with ask(address, most=limit) as answer:
            for chunk in answer.chunks:
                text += chunk
                if len(text) >= limit:
                    break
    except Dropped:
        raise UserError(f"{address}: the connection was lost after {len(text):,} bytes; try again.") from None
    return text[:limit]


def _local_path(address: str) -> Path | None:
    """Return the local path that an address means; None for http and https."""
    try:
        scheme, host, path, *_ = urlsplit(address) if "://" in address else ("", "", address)
    except ValueError:
        scheme, host, path = "malformed", "", ""
    if scheme in ("http", "https") and host:
        return None
    if scheme not in ("", "file") or host or not path or not address.isprintable():
        raise UserError(f"{address!r} must be an address that begins with http:// or https://, or a path on this machine.")
    return Path(unquote(path)) if scheme else Path(path).expanduser()


@contextmanager
def _read(path: Path, offset: int, size: int | None) -> Iterator[Answer]:
    try:
        if not path.is_file():
            raise UserError(f"{path}: there is no such file; check the address.")
        file = path.open("rb")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the address.") from None
    with file:
        _require_size(str(path), os.fstat(file.fileno()).st_size, size)
        file.seek(offset)
        yield Answer(offset, None, _until_dropped(partial(file.read, CHUNK)))


def _requested(address: str, headers: dict[str, str], session: requests.Session) -> requests.Response:
    """Return a response after redirects. They are followed here, because requests would read their bodies, however long."""
    url = address
    for _ in range(MOST_REDIRECTS + 1):
        response = _got(url, headers, session)
        if not response.is_redirect:
            return response
        response.close()
        url = _redirected(url, response.headers["Location"])
    raise UserError(f"{address}: redirects more than {MOST_REDIRECTS} times; check the address.")


def _redirected(url: str, target: str) -> str:
    """Return the URL that a redirect leads to. Only http and https are followed, and never from https to http."""
    try:
        joined = urljoin(url, target)
        scheme, before = urlsplit(joined).scheme, urlsplit(url).scheme
    except ValueError:
        raise UserError(f"{url}: redirects to {target[:80]!r}, which is no address; check the address.") from None
    if scheme not in ("http", "https") or (scheme, before) == ("http", "https"):
        raise UserError(f"{url}: redirects from {before} to {scheme[:20]!r}, which is not followed; check the address.")
    return joined


def _got(url: str, headers: dict[str, str], session: requests.Session) -> requests.Response:
    certificates = next(filter(None, map(os.environ.get, CERTIFICATES)), True)
    try:
        return session.get(
            url,
            headers=headers,
            stream=True,
            timeout=TIMEOUT,
            allow_redirects=False,
            proxies=dict(get_environ_proxies(url)),
            verify=certificates,
        )
    except requests.exceptions.SSLError:
        raise UserError(f"{url}: the server's certificate cannot be verified; check the address.") from None
    except requests.Timeout:
        raise UserError(f"{url}: the server does not answer in time; try again later.") from None
    except requests.ConnectionError as error:
        raise UserError(f"{url}: {_why_not_connected(error)}") from None
    except (requests.RequestException, HTTPError, ValueError):
        raise UserError(f"{url!r} is not an address that can be requested; check it.") from None


def _why_not_connected(error: requests.ConnectionError) -> str:
    reason = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(reason, NameResolutionError):
        return "the host's name cannot be resolved; check the address and the network."
    if isinstance(reason, NewConnectionError):
        return "the connection was refused; is the server running, and the port right?"
    return "the connection broke before an answer came; is this a web server?"


def _checked_start(response: requests.Response, address: str, offset: int, size: int | None) -> int | None:
    """Return the offset where a response begins; None if it is unusable, but requesting the whole file may work."""
    status, headers = response.status_code, response.headers
    if status not in (200, 206) and not (status == 416 and offset):
        phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "(unknown)"
        raise UserError(f"{address}: the server answers {status} {phrase}; check the address, or try again later.")
    if headers.get("Content-Encoding", "identity") != "identity":
        raise UserError(f"{address}: the server sends another encoding than requested; use another one.")
    if status == 200:
        length = headers.get("Content-Length")
        if length is not None and not fullmatch(NUMBER, length):
            raise UserError(f"{address}: the server states a size that is not a number of bytes; use another one.")
        if length is not None:
            _require_size(address, int(length), size)
        return 0
    match = fullmatch(rf"bytes ({NUMBER})-{NUMBER}/({NUMBER}|\*)", headers.get("Content-Range", ""))
    if status == 416 or not match or int(match[1]) != offset:
        if not offset:
            raise UserError(f"{address}: the server sends part of the file although all was requested; use another one.")
        return None
    if match[2] != "*":
        _require_size(address, int(match[2]), size)
    return offset


def _require_size(address: str, found: int, size: int | None) -> None:
    if size is not None and found != size:
        raise UserError(f"{address}: must have {size:,} bytes, and has {found:,}; this is another file.")


def _validator(response: requests.Response) -> str | None:
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified")


def _until_dropped(read: Callable[[], bytes]) -> Iterator[bytes]:
    try:
        while chunk := read():
            yield chunk
    except (requests.RequestException, HTTPError, OSError) as error:
        raise Dropped from error
