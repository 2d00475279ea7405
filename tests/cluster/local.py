"""Several relay processes on this machine that share one PostgreSQL, with a balancer in front of them."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import aiohttp

from relay.sandbox import Sandbox
from tests.chaos.relay_process import PROGRAM, RelayProcess, free_port
from tests.cluster.balancer import Balancer

TOKEN_SECRET = "a-token-secret-that-all-nodes-of-a-cluster-share"
START_S = 60.0
STRAINED = (sys.executable, PROGRAM, "serve")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalCluster:
    """The running nodes, and what is around them."""

    nodes: tuple[RelayProcess, ...]
    balancer: Balancer
    sandbox: Sandbox


@asynccontextmanager
async def local_cluster(
    folder: Path,
    sandbox: Sandbox,
    store: str,
    *,
    nodes: int = 3,
    port: int = 0,
    settings: Mapping[str, str] | None = None,
    command: Sequence[str | Path] = STRAINED,
    exited: Callable[[RelayProcess, int], None] | None = None,
) -> AsyncIterator[LocalCluster]:
    """
    Run nodes named `node-1` and so on until the block ends. Without `exited`, it fails if one exits unexpectedly.

    Args:
        folder: has a directory with the log of each node.
        sandbox: the simulated platforms.
        store: the URL of the database.
        nodes: how many.
        port: the port of the balancer; 0 picks a free one.
        settings: environment variables of each node in addition to the usual ones, which they override.
        command: the command line of a node.
        exited: called with a node that exits unexpectedly after it was ready, and its exit code.
    """
    random = Random()
    async with asyncio.TaskGroup() as group:
        processes = []
        for number in range(1, nodes + 1):
            home = folder / f"node-{number}"
            home.mkdir()
            own = {"RELAY_STORE": store, "RELAY_NODE": home.name, "RELAY_SPOOL": str(folder / "spool")}
            own |= settings or {}
            processes.append(RelayProcess(home, sandbox, free_port(random), group, command=command, settings=own))
        try:
            for process in processes:
                await process.start(public=None)
            for process in processes:
                await until_ready(process)
                process.exited = exited
            async with Balancer(port, [process.url for process in processes]) as balancer:
                yield LocalCluster(nodes=tuple(processes), balancer=balancer, sandbox=sandbox)
        finally:
            await asyncio.gather(*(process.kill() for process in processes))


async def until_ready(node: RelayProcess) -> None:
    """
    Wait until a node is ready.

    Raises:
        TimeoutError: it is not within a minute.
    """
    async with asyncio.timeout(START_S), aiohttp.ClientSession(node.url) as session:
        while True:
            try:
                async with session.get("/readyz") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.05)
