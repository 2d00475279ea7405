"""The viewers of the chaos runs come back as a client of the protocol must."""

import asyncio
from random import Random

from relay.app import Running
from relay.tasks.requests import Start
from tests.chaos.viewers import TaskLink, View, Viewer

MODEL = "bytedance/text-to-image-seedream-v4"


async def test_a_viewer_whose_token_is_refused_continues_with_another_credential(relay: Running) -> None:
    """The close code tells it: websockets raises for every code but 1000 and 1001."""
    started = await relay.context.tasks.start(Start(model=MODEL, input={"prompt": "a cat"}))
    view = View(link=TaskLink(task=started.snapshot.id, credential="expired"))
    async with asyncio.timeout(60):
        await Viewer(relay.url, Random(1), cut_share=0.0, renewed=relay.api_key).over_socket(view)

    assert view.ended
    assert (view.losses, view.link.credential) == (1, relay.api_key)
