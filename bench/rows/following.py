"""Following 1000 tasks in the sandbox: memory per task, and the time from kill -9 until all are followed again."""

import asyncio
import time

from bench.bench import Bench
from bench.finding import Figure, Finding
from bench.relay_server import RelayServer, relay_server
from relay import log
from relay.sandbox import Sandbox

WARM = 20
AT_ONCE = 20
REACH_KIB = 150
REACH_S = 10
PROMPT = "a bench [sandbox: hold_at=task_start]"


async def measure(bench: Bench) -> Finding:
    count = 100 if bench.quick else 1000
    log.configure(level="warning")
    async with Sandbox(speed=20) as sandbox:
        upstream = {
            "WIRO_API_KEY": sandbox.api_key,
            "WIRO_API_SECRET": sandbox.api_secret or "",
            "WIRO_API_URL": sandbox.api_url,
            "WIRO_SOCKET_URL": sandbox.socket_url,
        }
        async with relay_server(bench, upstream) as relay:
            await _start(sandbox, relay, WARM)
            before_bytes = relay.process.memory_bytes()
            await _start(sandbox, relay, count)
            grown_kib = (relay.process.memory_bytes() - before_bytes) / count / 1024
            await relay.process.kill()
            await _until_subscribers(sandbox, 0)
            began = time.monotonic()
            await relay.process.start()
            listens_s = time.monotonic() - began
            await _until_subscribers(sandbox, 1)
            took_s = time.monotonic() - began
            cpu_s = relay.process.cpu_s()
    return Finding(
        figures=(
            Figure(
                measure=f"memory per task, following {count}",
                got=f"{grown_kib:.0f} KiB",
                reach=f"≤ {REACH_KIB} KiB",
                reached=grown_kib <= REACH_KIB,
            ),
            Figure(
                measure=f"kill -9 and restart until all {count} are followed again",
                got=f"{took_s:.1f} s",
                reach=f"≤ {REACH_S} s",
                reached=took_s <= REACH_S,
            ),
        ),
        note=(
            f"The relay listened after {listens_s:.1f} s and had used {cpu_s:.1f} s of CPU time when all were "
            "followed. The rest is the sandbox, which answers each socket and each detail call on the other core."
        ),
    )


async def _start(sandbox: Sandbox, relay: RelayServer, count: int) -> None:
    """Start tasks, and wait until all are running and followed."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with room:
            await relay.start(PROMPT)

    await asyncio.gather(*(one() for _ in range(count)))
    await _until_subscribers(sandbox, 1)
    await asyncio.gather(*(sandbox.until(task, lambda task: task.holding_at) for task in sandbox.tasks))
    await asyncio.sleep(1)  # what followed upon that is committed


async def _until_subscribers(sandbox: Sandbox, count: int) -> None:
    async with asyncio.timeout(120):
        while any(sandbox.subscribers(task) != count for task in sandbox.tasks):  # noqa: ASYNC110 -- many tasks, no one event
            await asyncio.sleep(0.02)
