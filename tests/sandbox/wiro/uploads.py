"""Runs with files."""

import aiohttp

from relay.sandbox import Sandbox
from tests.sandbox.calls import Body

EDIT = "bytedance/seedream-v4"
COLLAGE = "wiro/sandbox-collage"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 700
URL = "https://example.com/two.jpg"

Entry = tuple[str, str | bytes]


def form(*entries: Entry) -> aiohttp.FormData:
    """Return a multipart form with texts as they are and bytes as files."""
    data = aiohttp.FormData(default_to_multipart=True, quote_fields=False)
    for number, (name, value) in enumerate(entries):
        if isinstance(value, bytes):
            data.add_field(name, value, filename=f"picture {number}.png", content_type="image/png")
        else:
            data.add_field(name, value)
    return data


async def run_form(sandbox: Sandbox, http: aiohttp.ClientSession, model: str, *entries: Entry) -> Body:
    """Run a model with a multipart form and return the response."""
    async with http.post(f"{sandbox.api_url}/Run/{model}", data=form(*entries)) as response:
        body: Body = await response.json()
        return body
