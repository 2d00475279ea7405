"""Calls that fail at random."""

import aiohttp

from relay.sandbox import PLAIN_KEY, Faults, Sandbox
from tests.sandbox.calls import IMAGE


async def test_a_share_of_runs_fails() -> None:
    """They fail before or after they take effect; the log has the error code only if the client received it."""
    async with (
        Sandbox(speed=1000, seed=1, faults=Faults(flaky=0.5)) as sandbox,
        aiohttp.ClientSession(headers={"x-api-key": PLAIN_KEY}) as http,
    ):
        answered = []
        for number in range(40):
            refused = " [sandbox: run_error=97:No]" if number % 2 else ""
            try:
                async with http.post(f"{sandbox.api_url}/Run/{IMAGE}", json={"prompt": f"a cat{refused}"}) as response:
                    answered.append(response.status == 200)
            except aiohttp.ClientError:
                answered.append(False)

        started = [run.task_id is not None for run in sandbox.runs]
        told = [run.refused for run in sandbox.runs]
        assert len(sandbox.runs) == 40
        assert {(answered[n], started[n]) for n in range(0, 40, 2)} == {(True, True), (False, True), (False, False)}
        assert [told[n] for n in range(1, 40, 2)] == [97 if answered[n] else None for n in range(1, 40, 2)]
        assert not any(started[1::2])


async def test_every_call_can_fail() -> None:
    """Calls that only read can fail too."""
    async with Sandbox(faults=Faults(flaky=1.0)) as flaky:
        for path in ("Task/Detail", "Task/List", "Task/Cancel", "Task/Kill", "Task/InputOutputDelete", "Tool/List"):
            async with aiohttp.ClientSession(headers={"x-api-key": PLAIN_KEY}) as http:
                try:
                    async with http.post(f"{flaky.api_url}/{path}", json={}) as response:
                        assert response.status >= 500
                except aiohttp.ServerDisconnectedError:
                    continue
