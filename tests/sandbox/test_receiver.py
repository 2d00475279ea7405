"""The sandbox's receiver of webhooks: it verifies signatures, answers as asked, and lists what has come in."""

import time
from datetime import UTC, datetime

import aiohttp
from standardwebhooks import Webhook

from relay.sandbox import Sandbox

BODY = '{"type":"task.done","data":{"id":"a","model":"<b>o/m</b>","state":"succeeded"}}'


def headers(body: str, *, secret: str, at: float | None = None) -> dict[str, str]:
    now = time.time() if at is None else at
    signature = Webhook(secret).sign("msg_1", datetime.fromtimestamp(int(now), UTC), body)
    return {"webhook-id": "msg_1", "webhook-timestamp": str(int(now)), "webhook-signature": f"v1,old {signature}"}


async def test_what_is_signed_with_its_secret_is_accepted_and_shown(sandbox: Sandbox) -> None:
    """As text, whatever it contains."""
    async with aiohttp.ClientSession() as client:
        given = headers(BODY, secret=sandbox.webhook_secret)
        async with client.post(sandbox.webhook_url, data=BODY, headers=given) as response:
            assert response.status == 204
        async with client.post(f"{sandbox.webhook_url}?status=503", data=BODY, headers=given) as response:
            assert response.status == 503
        async with client.get(sandbox.webhook_url) as page:
            text = await page.text()
    assert text.count("<td>verified</td>") == 2
    assert "<td>&lt;b&gt;o/m&lt;/b&gt;</td>" in text


async def test_what_is_not_signed_is_refused(sandbox: Sandbox) -> None:
    """Another secret, another body, an old signature, none, and what is no webhook."""
    other = "whsec_" + "A" * 40
    secret = sandbox.webhook_secret
    async with aiohttp.ClientSession() as client:
        for given in (
            headers(BODY, secret=other),
            headers(f"{BODY} ", secret=secret),
            headers(BODY, secret=secret, at=time.time() - 600),
            {},
        ):
            async with client.post(sandbox.webhook_url, data=BODY, headers=given) as response:
                assert response.status == 401
        for body in ("", "[]", '{"type": "x"}', '{"type": "x", "data": 1}'):
            async with client.post(sandbox.webhook_url, data=body) as response:
                assert response.status == 400
        async with client.get(sandbox.webhook_url) as page:
            assert "verified" not in await page.text()
