"""A limit on a whole exchange with a server: the bytes that it may send, and the time that it may take.

Socket timeouts apply to single reads, so a server that sends one byte a second never hits them, and the standard library's
HTTP client reads interim responses, chunk lines and trailers for as long as they arrive. Here, everything that arrives is
counted where it is read from the socket.
"""

import io
import time
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from perturb.errors import UserError

PATIENCE = 30.0
"""Seconds of waiting allowed for any exchange."""
SLOWEST = 4_000
"""Minimum average rate in bytes a second beyond that time."""
OVERHEAD = 1 << 20
"""Bytes of headers, redirects and trailers allowed besides content."""


class Budget:
    """The bytes and the time left for an exchange, redirects included.

    Args:
        address: the address, for error messages.
        content: maximum bytes of content that are wanted.

    """

    def __init__(self, address: str, content: int) -> None:
        self._address = address
        self._most = OVERHEAD + 2 * content  # chunked content may come with a line for each small chunk
        self._came, self._waited = 0, 0.0

    def spend(self, count: int, seconds: float) -> None:
        """Account for bytes that have arrived after a number of seconds of waiting.

        Raises:
            UserError: too many bytes have arrived, or they arrive too slowly.

        """
        self._came, self._waited = self._came + count, self._waited + seconds
        if self._came > self._most:
            raise UserError(f"{self._address}: the server sends more than the file and its headers take; use another one.")
        if self._waited > PATIENCE + self._came / SLOWEST:
            raise UserError(
                f"{self._address}: the server sent {self._came:,} bytes in {self._waited:.0f} s, which is below the minimum "
                f"of {SLOWEST:,} a second; try again later, or use another one."
            )


def session_with(budget: Budget) -> requests.Session:
    """Return a session whose responses count against a budget, and which takes nothing from the environment."""
    session = _Session()
    session.trust_env = False  # never send a password from a .netrc
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(budget))
    return session


class _Session(requests.Session):
    """A session that leaves redirects to its caller: requests would read their targets even when told not to follow."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


class _Adapter(HTTPAdapter):
    def __init__(self, budget: Budget) -> None:
        super().__init__(max_retries=0)
        self._budget = budget

    def get_connection_with_tls_context(self, *arguments: Any, **more: Any) -> Any:  # noqa: ANN401
        pool = super().get_connection_with_tls_context(*arguments, **more)
        pool.ConnectionCls = _metered(pool.ConnectionCls, self._budget)
        return pool


def _metered(kind: Any, budget: Budget) -> Any:  # noqa: ANN401
    """Return a connection class that reads through a meter; `kind` is urllib3's class for http or https."""

    class Connection(kind):
        def connect(self) -> None:
            super().connect()
            self.sock: Any = _Socket(self.sock, budget)

    return Connection


class _Socket:
    """A connected socket for http.client, which reads only from its `makefile`."""

    def __init__(self, inner: Any, budget: Budget) -> None:  # noqa: ANN401
        self._inner, self._budget = inner, budget

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._inner, name)

    def makefile(self, mode: Any) -> io.BufferedReader:  # noqa: ANN401
        return io.BufferedReader(_Meter(self._inner.makefile(mode, buffering=0), self._budget))


class _Meter(io.RawIOBase):
    def __init__(self, inner: Any, budget: Budget) -> None:  # noqa: ANN401
        self._inner, self._budget = inner, budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401
        began = time.monotonic()
        count = self._inner.readinto(buffer)
        self._budget.spend(count or 0, time.monotonic() - began)
        return count

    def close(self) -> None:
        self._inner.close()
        super().close()
