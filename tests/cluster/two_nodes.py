"""Two relay processes, one of which kills or stops itself at a failpoint, and a client of the other one."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import orjson

from relay.core.codec import decode_snapshot
from relay.sandbox import RunRequest, Sandbox
from tests.chaos.caller import Caller
from tests.chaos.judge import TaskLog, check_log, read_log
from tests.chaos.relay_process import KEY, RelayProcess
from tests.cluster.local import TOKEN_SECRET, local_cluster

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "tests.cluster.failpoints", "serve")
BUSY = frozenset({503})
"""The answer of a node that has just been fenced."""
POLL_S = 0.05

BODY = {"model": "bytedance/seedream-v4", "input": {"prompt": "a fox"}}


class TwoNodes:
    """The victim, which has the failpoint, and the survivor."""

    def __init__(self, nodes: tuple[RelayProcess, ...], sandbox: Sandbox, killed: asyncio.Event) -> None:
        self.victim, self.survivor = nodes
        self.killed = killed
        """Set when the victim has killed itself."""
        self._sandbox = sandbox

    @property
    def started(self) -> list[RunRequest]:
        """The runs that the platform has started."""
        return [run for run in self._sandbox.runs if run.task_id is not None]

    @asynccontextmanager
    async def caller(self, node: RelayProcess) -> AsyncIterator[Caller]:
        """Open a client of a node that repeats calls."""
        headers = {"Authorization": f"Bearer {KEY}"}
        async with aiohttp.ClientSession(node.url, headers=headers) as session:
            yield Caller(session, 1, come_back=BUSY)

    async def post_once(self, node: RelayProcess) -> str | None:
        """Start the task; return its id, or null if there was no answer."""
        headers = {"Authorization": f"Bearer {KEY}", "Idempotency-Key": "one"}
        with suppress(aiohttp.ClientError):
            async with (
                aiohttp.ClientSession(node.url, headers=headers) as session,
                session.post("/v1/tasks", json=BODY) as answer,
            ):
                return str((await answer.json())["task"]["id"])
        return None

    async def tasks(self, caller: Caller) -> list[str]:
        """Return the ids of all tasks."""
        return [task["id"] for task in orjson.loads(await caller.get("/v1/tasks"))["tasks"]]

    async def ended(self, caller: Caller, task: str) -> TaskLog:
        """Wait until a task has ended, and return its log, which is complete."""
        while decode_snapshot(await caller.get(f"/v1/tasks/{task}")).done is None:  # noqa: ASYNC110 -- another process
            await asyncio.sleep(POLL_S)
        log = await read_log(caller, task)
        check_log(log)
        return log

    async def stopped(self) -> None:
        """Wait until the victim has stopped itself."""
        while _state(self.victim.pid) != "T":  # noqa: ASYNC110 -- there is no event for it
            await asyncio.sleep(POLL_S)

    async def logged(self, node: RelayProcess, event: str) -> None:
        """Wait until a node has logged an event."""
        while not node.faults([f'"event": "{event}"']):  # noqa: ASYNC110 -- there is no event for it
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
        yield TwoNodes(cluster.nodes, sandbox, killed)


def _state(pid: int | None) -> str:
    """Return the state of a process as a letter (see proc_pid_stat(5))."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
