"""Two relay processes, one of which kills or stops itself at a failpoint."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp

from relay.sandbox import Sandbox
from tests.chaos.relay_process import KEY, RelayProcess
from tests.cluster.client import BODY, POLL_S
from tests.cluster.local import TOKEN_SECRET, local_cluster

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "tests.cluster.failpoints", "serve")


class TwoNodes:
    """The victim, which has the failpoint, and the survivor."""

    def __init__(self, nodes: tuple[RelayProcess, ...], killed: asyncio.Event) -> None:
        self.victim, self.survivor = nodes
        self.killed = killed
        """Set when the victim has killed itself."""

    async def post(self, key: str) -> str | None:
        """Start a task on the victim; return its id, or null if there was no answer."""
        headers = {"Authorization": f"Bearer {KEY}", "Idempotency-Key": key}
        with suppress(aiohttp.ClientError):
            async with (
                aiohttp.ClientSession(self.victim.url, headers=headers) as session,
                session.post("/v1/tasks", json=BODY) as answer,
            ):
                return str((await answer.json())["task"]["id"])
        return None

    async def stopped(self) -> None:
        """Wait until the victim has stopped itself."""
        while _state(self.victim.pid) != "T":  # noqa: ASYNC110 -- there is no event for it
            await asyncio.sleep(POLL_S)

    async def replaced(self) -> None:
        """Wait until the victim has noticed that it was declared dead."""
        while not self.victim.faults(['"event": "node.replaced"']):  # noqa: ASYNC110 -- there is no event for it
            await asyncio.sleep(POLL_S)


@asynccontextmanager
async def two_nodes(
    folder: Path, sandbox: Sandbox, store: str, *, failpoint: str | None = None, by: signal.Signals = signal.SIGKILL
) -> AsyncIterator[TwoNodes]:
    """Run two nodes during the block, of which the first sends itself a signal when it reaches the failpoint."""
    settings = {"PYTHONPATH": str(ROOT), "RELAY_TOKEN_SECRET": TOKEN_SECRET}
    if failpoint is not None:
        settings |= {"FAILPOINT": failpoint, "FAILPOINT_SIGNAL": by.name, "FAILPOINT_NODE": "node-1"}
    killed = asyncio.Event()

    def exited(node: RelayProcess, code: int) -> None:
        assert (node.folder.name, code) == ("node-1", -by), f"{node.folder.name} exited with {code}, see {node.log}"
        killed.set()

    async with local_cluster(
        folder, sandbox, store, nodes=2, settings=settings, command=COMMAND, exited=exited
    ) as cluster:
        yield TwoNodes(cluster.nodes, killed)


def _state(pid: int | None) -> str:
    """Return the state of a process as a letter (see proc_pid_stat(5))."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
