"""A page of another origin that calls Wiro's API on the relay, as pages written for Wiro do."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from playwright.async_api import Page

from relay.app import Running
from tests.e2e.test_embed import Shop

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEY = "an-api-key-for-the-gateway"
SECRET = "a-secret-of-the-relay"
RUN_AND_FOLLOW = """
async ([base, key, secret]) => {
    const bytes = (text) => new TextEncoder().encode(text);
    const hmac = await crypto.subtle.importKey('raw', bytes(key), {name: 'HMAC', hash: 'SHA-256'}, false, ['sign']);
    const call = async (path, body) => {
        const nonce = String(Date.now());
        const signature = [...new Uint8Array(await crypto.subtle.sign('HMAC', hmac, bytes(secret + nonce)))];
        const hex = signature.map((byte) => byte.toString(16).padStart(2, '0')).join('');
        const headers = {'Content-Type': 'application/json', 'x-api-key': key, 'x-nonce': nonce, 'x-signature': hex};
        return (await fetch(`${base}/${path}`, {method: 'POST', headers, body: JSON.stringify(body)})).json();
    };
    const run = await call('Run/bytedance/text-to-image-seedream-v4', {prompt: 'A lake.'});
    const socket = new WebSocket(base.replace('http', 'ws'));
    socket.onopen = () => socket.send('{"type": "task_info", "tasktoken": "' + run.socketaccesstoken + '"}');
    const outputs = await new Promise((resolve, reject) => {
        socket.onclose = () => reject(new Error('closed'));
        socket.onmessage = (event) => {
            const message = JSON.parse(event.data);
            if (message.type === 'task_postprocess_end') resolve(message.message);
        };
    });
    const image = document.body.appendChild(new Image());
    image.src = outputs[0].url;
    await image.decode();
    const detail = await call('Task/Detail', {taskid: run.taskid});
    return [image.naturalWidth > 0, detail.tasklist[0].pexit];
}
"""


async def test_a_page_of_an_allowed_origin_runs_a_model_to_its_picture(
    page: Page, make_relay: Callable[..., AbstractAsyncContextManager[Running]]
) -> None:
    """With the headers of a signed call, and a token that it writes into JSON by hand."""
    shop = Shop()
    async with (
        shop.open(),
        make_relay(
            gateway="wiro",
            api_keys=(f"app={KEY}",),
            gateway_secrets=(f"app={SECRET}",),
            allowed_origins=(shop.origin,),
        ) as relay,
    ):
        await page.goto(shop.origin)
        assert await page.evaluate(RUN_AND_FOLLOW, [f"{relay.url}/wiro/v1", KEY, SECRET]) == [True, "0"]
        await page.goto("about:blank")
