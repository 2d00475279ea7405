"""
The handle of a sandbox, and what `relay.sandbox` exports.

`server` and `shared.context` are tested here too.
"""

import aiohttp
import pytest

import relay.sandbox
from relay.errors import ConfigError
from relay.sandbox import Sandbox
from tests.sandbox.calls import run


def test_the_public_names_are_pinned() -> None:
    """Tests and commands import these names and no inner modules."""
    assert sorted(relay.sandbox.__all__) == [
        "API_KEY",
        "API_SECRET",
        "Faults",
        "File",
        "PLAIN_KEY",
        "RunRequest",
        "STAGE_TIMES",
        "Sandbox",
        "Task",
        "outputs",
        "pictures",
        "serve",
        "sign",
    ]
    assert all(hasattr(relay.sandbox, name) for name in relay.sandbox.__all__)


async def test_an_unavailable_port_is_reported(sandbox: Sandbox) -> None:
    """The message names the port."""
    port = int(sandbox.origin.rpartition(":")[2])
    with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}"):
        async with Sandbox(port=port):
            pass


@pytest.mark.parametrize("speed", [0, -1])
def test_speed_must_be_positive(speed: float) -> None:
    """A speed of 0 would never end a task."""
    with pytest.raises(ConfigError, match="speed must be above 0"):
        Sandbox(speed=speed)


def test_the_first_account_is_the_one_to_use() -> None:
    """`api_key` and `api_secret` belong to it."""
    sandbox = Sandbox(accounts={"a-key": "a-secret", "other-key": None})

    assert (sandbox.api_key, sandbox.api_secret) == ("a-key", "a-secret")
    assert "a-secret" not in repr(sandbox)


async def test_subscribers_are_counted(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """`subscribed` returns at once if a socket has ever subscribed."""
    task_id, token = await run(sandbox, http, "hold_at=task_queue")
    async with http.ws_connect(sandbox.socket_url) as socket:
        await socket.send_json({"type": "task_info", "tasktoken": token})
        await sandbox.subscribed(task_id)
        assert sandbox.subscribers(task_id) == 1
    await sandbox.subscribed(task_id)
