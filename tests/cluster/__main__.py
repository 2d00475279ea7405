"""
`make cluster`: three nodes, PostgreSQL, a balancer and the sandbox on this machine, and a few tasks to watch.

Kill a node (`kill -9 PID`) and watch its tasks go on: viewers notice nothing.
"""

import argparse
import asyncio
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp

from relay import log
from relay.access.login_codes import LoginCodes
from relay.cli.demo import TASKS
from relay.cli.output import say
from relay.sandbox import Sandbox
from tests.chaos.relay_process import KEY, RelayProcess
from tests.cluster.local import TOKEN_SECRET, LocalCluster, local_cluster
from tests.postgres.server import postgres_server

COMMAND = (sys.executable, "-m", "relay", "serve")


async def run(nodes: int, port: int, speed: float) -> None:
    """Run the cluster until cancelled."""
    with TemporaryDirectory(prefix="relay-cluster-", ignore_cleanup_errors=True) as folder:
        async with postgres_server(fsync="on") as server, Sandbox(speed=speed) as sandbox:
            store = await server.create_database()
            own = {"RELAY_TOKEN_SECRET": TOKEN_SECRET, "RELAY_MEDIA_SOURCES": sandbox.origin, "RELAY_SILENCE": "60"}
            async with local_cluster(
                Path(folder), sandbox, store, nodes=nodes, port=port, settings=own, command=COMMAND, exited=report_exit
            ) as cluster:
                await start_tasks(cluster)
                print_links(cluster, store)
                await asyncio.Event().wait()


async def start_tasks(cluster: LocalCluster) -> None:
    """Start the tasks of the demo that Wiro can run, each on the next node."""
    headers = {"Authorization": f"Bearer {KEY}"}
    for model, given in TASKS:
        async with aiohttp.ClientSession(cluster.balancer.url, headers=headers) as session:
            body = {"model": model, "input": given, "tags": ["demo"]}
            async with session.post("/v1/tasks", json=body) as answer:
                if answer.status not in (201, 202, 422):  # 422: a model of a platform without credentials
                    raise RuntimeError(f"a task was not started: {answer.status} {await answer.text()}")


def report_exit(node: RelayProcess, code: int) -> None:
    """Print that a node has exited, as when it was killed by hand."""
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"has exited with {code}, see {node.log}"
    say(f"  {node.folder.name} {how}. The others follow its tasks within 15 s.")


def print_links(cluster: LocalCluster, store: str) -> None:
    """Print where to watch, and what to try."""

    async def used(_digest: str) -> bool:
        raise AssertionError("codes are redeemed by the nodes")

    code = LoginCodes(TOKEN_SECRET, used, time.time).make()
    say(f"\n  Watch the tasks here:  {cluster.balancer.url}/#code={code}")
    say(f"  The link works once, within 10 minutes. API key: {KEY}\n")
    for node in cluster.nodes:
        say(f"  {node.folder.name}  {node.url}  pid {node.pid}  log {node.log}")
    say(f"  store   {store}")
    say("\n  Kill a node to see its tasks go on elsewhere: kill -9 PID")
    say("  Press Ctrl-C to end all of it. Nothing is kept.")


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(prog="make cluster", description=__doc__)
    parser.add_argument("--nodes", type=int, default=3, help="how many relay processes (default: 3)")
    parser.add_argument(
        "--port", type=int, default=8080, help="port of the balancer (default: 8080); 0 picks a free one"
    )
    parser.add_argument("--speed", type=float, default=1.0, help="speed of the simulated platform; 1 is realistic")
    given = parser.parse_args()
    log.configure(level="warning")
    with suppress(KeyboardInterrupt):
        asyncio.run(run(given.nodes, given.port, given.speed))


if __name__ == "__main__":
    main()
