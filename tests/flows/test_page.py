"""Prefect's page, which asks for its data where its server was told that it is."""

import json

import pytest
from odd_server import odd_server

pytest.importorskip("prefect")

from perturb_flows.server import page_trouble


def _api(url: str) -> str:
    """Return the address of the API of a server, given that of its file."""
    return url.replace("/file.h5", "/api")


def test_a_page_that_asks_another_port_is_named_with_the_remedy() -> None:
    with odd_server(b'{"api_url": "http://127.0.0.1:4200/api"}') as server:
        trouble = page_trouble(_api(server.url))
    assert trouble is not None
    assert "asks for its data at http://127.0.0.1:4200/api" in trouble
    assert trouble.endswith(f"start the server with PREFECT_UI_API_URL={_api(server.url)}")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "[::1]"])
def test_a_page_that_asks_its_own_server_by_any_name_is_sound(host: str) -> None:
    with odd_server(b"") as server:
        server.content = json.dumps({"api_url": _api(server.url).replace("127.0.0.1", host)}).encode()
        assert page_trouble(_api(server.url)) is None


@pytest.mark.parametrize("settings", [b"<html>", b"[]", b"{}", b'{"api_url": null}', b'{"api_url": "http://[x"}'])
def test_a_page_with_unreadable_settings_is_passed_over(settings: bytes) -> None:
    with odd_server(settings) as server:
        assert page_trouble(_api(server.url)) is None


def test_a_page_that_does_not_answer_is_passed_over() -> None:
    assert page_trouble("http://127.0.0.1:1/api") is None
