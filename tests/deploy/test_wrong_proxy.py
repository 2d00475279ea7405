"""nginx with nothing but `proxy_pass`: the relay notices, and `relay check --diagnose` says what to do."""

from pathlib import Path

import aiohttp
import pytest

from relay.app import Running
from relay.cli.diagnose import ask
from tests.service import free_port
from tests.web.test_nginx import nginx

pytestmark = pytest.mark.deploy


async def test_an_nginx_without_settings_is_noticed(
    relay: Running, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """It speaks HTTP/1.0 to the relay, and takes the upgrade out of requests."""
    port = free_port()
    location = f"location / {{ proxy_pass {relay.url}; proxy_set_header X-Forwarded-For $remote_addr; }}"
    async with nginx(tmp_path, location, port):
        outside = f"http://127.0.0.1:{port}"
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await client.ws_connect(f"{outside}/v1/ws")
        async with client.get(f"{outside}/v1/events?task=x", headers={"Accept": "text/event-stream"}) as answer:
            await answer.read()
    seen = {sign for (sign,) in relay.context.counts.proxy_signs_at}
    assert seen == {"upgrade_missing", "stream_http_1_0", "forwarded_untrusted"}
    problems = (await ask(relay.context.config, relay.url)).problems()
    assert sum(each.section == "the-proxy-is-misconfigured" for each in problems) == len(seen)
