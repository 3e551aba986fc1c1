"""Prefect's page, which requests its data at the address configured in its server."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

pytest.importorskip("prefect")

from perturb_flows.server import page_trouble


@contextmanager
def _server(settings: Callable[[str], bytes] | None) -> Iterator[str]:
    """API address of a server whose page has these settings, a function of that address. None: no page."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shown = settings is not None and self.path == "/ui-settings"
            self.send_response(200 if shown else 404)
            self.end_headers()
            self.wfile.write(settings(api) if shown else b"")

        def log_message(self, *arguments: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        api = f"http://127.0.0.1:{server.server_address[1]}/api"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield api
        finally:
            server.shutdown()
            thread.join()


def test_a_page_that_requests_data_from_another_port_is_reported_with_the_remedy() -> None:
    with _server(lambda _: b'{"api_url": "http://127.0.0.1:4200/api"}') as api:
        trouble = page_trouble(api)
    assert trouble is not None
    assert "asks for its data at http://127.0.0.1:4200/api" in trouble
    assert trouble.endswith(f"start the server with PREFECT_UI_API_URL={api}")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "[::1]"])
def test_a_page_that_requests_data_from_its_own_server_by_any_name_is_accepted(host: str) -> None:
    with _server(lambda api: json.dumps({"api_url": api.replace("127.0.0.1", host)}).encode()) as api:
        assert page_trouble(api) is None


@pytest.mark.parametrize("settings", [None, b"<html>", b"[]", b"{}", b'{"api_url": null}', b'{"api_url": "http://[x"}'])
def test_a_page_without_readable_settings_is_ignored(settings: bytes | None) -> None:
    with _server(settings and (lambda _: settings)) as api:
        assert page_trouble(api) is None
