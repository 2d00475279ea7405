"""Who may read the metrics, and in which format."""

import socket

import aiohttp
import pytest

from relay.app import Running
from relay.errors import ConfigError
from relay.metrics.exposition import OPENMETRICS, PROMETHEUS
from tests.conftest import MakeRelay


async def test_an_api_key_reads_them(relay: Running, client: aiohttp.ClientSession) -> None:
    """In the format that the client accepts."""
    async with client.get("/metrics") as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, PROMETHEUS)
        assert answer.headers["Cache-Control"] == "no-store"
        assert "relay_viewers_behind 0" in (await answer.text()).splitlines()
    async with client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}) as answer:
        assert answer.headers["Content-Type"] == OPENMETRICS
        assert (await answer.text()).endswith("\n# EOF\n")


async def test_no_one_else_reads_them(relay: Running) -> None:
    """Not even with a viewer token, and not with a key in the URL."""
    token, _ = relay.context.access.mint("task", scope="view", ttl_s=60)
    async with aiohttp.ClientSession(relay.url) as session:
        for path, headers, status in (
            ("/metrics", {}, 401),
            (f"/metrics?token={relay.api_key}", {}, 401),
            ("/metrics", {"Authorization": f"Bearer {token}"}, 403),
        ):
            async with session.get(path, headers=headers) as answer:
                assert answer.status == status


async def test_a_separate_port_needs_no_key(make_relay: MakeRelay) -> None:
    """It serves nothing else, and its address must be available."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with make_relay(metrics_port=port) as relay, aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        async with session.get("/metrics") as answer:
            assert answer.status == 200
            assert "relay_build_info" in await answer.text()
        async with session.get("/v1/tasks") as answer:
            assert answer.status == 404
        with pytest.raises(ConfigError, match=f"RELAY_METRICS_PORT: cannot listen on 127.0.0.1:{port}"):
            async with make_relay(metrics_port=port):
                pass
        assert relay.context.counts.requests == {}  # scrapes of the other port are not counted


async def test_requests_are_counted_by_the_pattern_of_their_route(
    relay: Running, client: aiohttp.ClientSession
) -> None:
    """What a client may choose freely is not a label."""
    for method, path in (("GET", "/v1/tasks/some-task"), ("PROPFIND", "/pot"), ("GET", "/hooks/wiro/secret")):
        async with client.request(method, path):
            pass
    assert relay.context.counts.requests == {
        ("GET", "/v1/tasks/{id}", "404"): 1,
        ("other", "(no route)", "404"): 1,
        ("GET", "/hooks/…", "405"): 1,
    }
