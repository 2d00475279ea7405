"""`relay demo`: run a sandbox, a relay and a few tasks in this process. Nothing is left at the end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.util import find_spec
from tempfile import TemporaryDirectory

from pydantic import SecretStr

from relay.app import Running, running
from relay.config import Config, load_with_origins
from relay.sandbox import Sandbox
from relay.tasks.requests import Start

TASKS = (
    (
        "bytedance/text-to-image-seedream-v4",
        {"prompt": "A majestic white dragon perched on a snowy mountain peak, epic fantasy artwork.", "maxImages": 2},
    ),
    (
        "bytedance/image-to-video-seedance-v1",
        {
            "inputImageUrl": "https://example.com/skier.jpg",
            "prompt": "A skier glides over fresh snow, the camera moves smoothly alongside.",
            "resolution": "480p",
            "duration": "5",
        },
    ),
    (
        "bytedance/seedream-v4",
        {"prompt": "A cozy library filled with towering bookshelves, a cat asleep on the books.", "size": "2496x1664"},
    ),
    (
        "bytedance/text-to-image-seedream-v3",
        {"prompt": "A tranquil mountain lake at dawn, photorealistic scenery.", "size": "1024x1024"},
    ),
    (
        "bytedance/seedream-v4-text-to-image",
        {"prompt": "An old lighthouse in a winter storm, oil on canvas.", "image_size": "landscape_16_9"},
    ),
    ("bytedance/text-to-image-seedream-v4", {"prompt": "A fairytale village in winter. [sandbox: exit=1]"}),
)
"""One task per model, Apikley's included, and one that fails."""


async def demo(*, port: int, speed: float, opened: Callable[[Running, str], None]) -> None:
    """
    Run the demo until cancelled.

    Args:
        port: the port of the relay; 0 picks a free port.
        speed: speed of the simulated platforms; 1 is realistic.
        opened: called with the relay, and the address of the page that shows its webhooks, when the relay serves and
            the tasks have been started.

    Raises:
        ConfigError: the port is in use, or `RELAY_API_KEYS` is invalid.
    """
    async with Sandbox(speed=speed) as sandbox, _temporary_folder() as folder:
        config = Config.model_validate(
            {
                "port": port,
                "store": "memory:",
                "archive": f"file://{folder}" if find_spec("obstore") and find_spec("PIL") else None,  # an extra
                "api_keys": api_keys(),
                "media_sources": sandbox.origin,
                "wiro_api_key": sandbox.api_key,
                "wiro_api_secret": sandbox.api_secret,
                "wiro_api_url": sandbox.api_url,
                "wiro_socket_url": sandbox.socket_url,
                "apikley_api_key": sandbox.apikley_key,
                "apikley_api_url": sandbox.apikley_url,
                "webhook_urls": (sandbox.webhook_url,),
                "webhook_secrets": (SecretStr(sandbox.webhook_secret),),
            }
        )
        async with running(config) as relay:
            await _start_tasks(relay)  # before the page opens, so that it lists all of them
            opened(relay, sandbox.webhook_url)
            await asyncio.Event().wait()


def api_keys() -> tuple[SecretStr, ...]:
    """
    Return the keys of `RELAY_API_KEYS`, the only setting of the demo. Without one, the relay generates a key.

    Raises:
        ConfigError: a key is invalid.
    """
    config, _ = load_with_origins(only={"RELAY_API_KEYS"})
    return config.api_keys


@asynccontextmanager
async def _temporary_folder() -> AsyncIterator[str]:
    """Create a folder for the results, which is deleted at the end."""
    with TemporaryDirectory(prefix="relay-demo-", ignore_cleanup_errors=True) as folder:
        yield folder


async def _start_tasks(relay: Running) -> None:
    for model, given in TASKS:
        await relay.context.tasks.start(Start(model=model, input=given, tags=("demo",)))
