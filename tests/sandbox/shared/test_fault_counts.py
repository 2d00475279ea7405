"""Faults that affect only the first calls."""

import aiohttp

from relay.sandbox import Faults, Sandbox
from tests.sandbox.calls import IMAGE


async def statuses(sandbox: Sandbox, http: aiohttp.ClientSession, count: int) -> list[int]:
    found = []
    for _ in range(count):
        async with http.post(f"{sandbox.api_url}/Run/{IMAGE}", json={"prompt": "a cat"}) as response:
            found.append(response.status)
    return found


async def test_a_fault_queued_twice_hits_twice(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """The count belongs to the queued switches, not to the body."""
    sandbox.next_run(run_http="502*2")
    first = await statuses(sandbox, http, 3)
    sandbox.next_run(run_http="502*1")
    second = await statuses(sandbox, http, 2)

    assert (first, second) == ([502, 502, 200], [502, 200])


async def test_a_default_fault_hits_again_after_a_success(http: aiohttp.ClientSession) -> None:
    """Identical Runs share a count until one succeeds."""
    async with Sandbox(speed=1000, faults=Faults().with_switches({"run_http": "502*1"})) as sandbox:
        assert await statuses(sandbox, http, 4) == [502, 200, 502, 200]
