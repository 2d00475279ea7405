"""One viewer that stops reading while 100 000 events pass: the effect on other viewers, on the relay and on itself."""

import asyncio
import fcntl
import socket
import sys
import termios
from collections.abc import Callable
from statistics import median

from bench.bench import Bench, paced
from bench.contestants import relay as whole_relay
from bench.finding import Figure, Finding
from bench.viewers import Seen, Viewers

OTHERS = 20
BURST, PER_S = 20, 2500
RECEIVE_BYTES = 64 * 1024
REACH_BYTES = 128 * 1024
REACH_DELAY = 1.2
REACH_GROWTH_BYTES = 4 * 1024 * 1024


class Stuck:
    """A viewer that reads its first snapshot, and then nothing until it is released."""

    def __init__(self, port: int, request: bytes) -> None:
        self._socket = socket.socket()
        # Linux's default buffer holds so much of a network's small packets, and twice that of loopback's large ones.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES // 2)  # the kernel doubles it
        self._socket.connect(("127.0.0.1", port))
        self._socket.setblocking(False)
        self._request = request

    async def read_first_snapshot(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self._socket, self._request)
        got = b""
        while b'"type":"snapshot"' not in got:
            got += await loop.sock_recv(self._socket, 65_536)

    def taken_bytes(self) -> int:
        """Return the bytes in the viewer's kernel, which the relay cannot take back."""
        waiting = fcntl.ioctl(self._socket.fileno(), termios.FIONREAD, bytes(4))
        return int.from_bytes(waiting, sys.byteorder)

    async def go_on(self) -> int:
        """Continue to read, and return the number of bytes before the next snapshot."""
        loop = asyncio.get_running_loop()
        got = b""
        while (at := got.find(b'{"type":"snapshot"')) < 0:
            if not (data := await asyncio.wait_for(loop.sock_recv(self._socket, 1 << 20), 10)):
                raise RuntimeError("the relay closed the connection of the stuck viewer")
            got += data
        self._socket.close()
        return at


async def measure(bench: Bench) -> Finding:
    events = 10_000 if bench.quick else 100_000
    without_us, with_us, preceding, taken, growths = [], [], [], [], []
    async with (
        whole_relay(bench) as relay,
        Viewers(relay.port, [relay.request] * OTHERS, bench.room("viewers")) as viewers,
    ):
        await viewers.all_open(answered=True)
        await _pass(viewers, relay.say, 5000)
        for _ in range(1 if bench.quick else 2):
            without_us.append((await _pass(viewers, relay.say, events)).p99_us)
            before_bytes = relay.process.memory_bytes()
            stuck = Stuck(relay.port, relay.request)
            await stuck.read_first_snapshot()
            with_us.append((await _pass(viewers, relay.say, events)).p99_us)
            growths.append(relay.process.memory_bytes() - before_bytes)
            taken.append(stuck.taken_bytes())
            preceding.append(await stuck.go_on())
    delay = median(with_us) / median(without_us)
    return Finding(
        figures=(
            Figure(
                measure=f"bytes before the snapshot of a viewer that did not read {events} events",
                got=f"{max(preceding) / 1024:.0f} KiB",
                reach="≤ 128 KiB",
                reached=max(preceding) <= REACH_BYTES,
            ),
            Figure(
                measure=f"p99 delay of {OTHERS} other viewers, with it / without it",
                got=f"{delay:.2f} x ({median(with_us) / 1000:.1f} ms, {median(without_us) / 1000:.1f} ms)",
                reach=f"≤ {REACH_DELAY} x",
                reached=delay <= REACH_DELAY,
            ),
            Figure(
                measure="growth of the process memory in that time",
                got=f"{max(growths) / 1024**2:.2f} MiB",
                reach="< 4 MiB",
                reached=max(growths) < REACH_GROWTH_BYTES,
            ),
        ),
        note=(
            f"{PER_S} events per second in bursts of {BURST}, in turns with and without it. Of the bytes before the "
            f"snapshot, {max(taken) / 1024:.0f} KiB were in the kernel of the stuck viewer before the relay could "
            "notice it; the rest was in the relay and its kernel. The receive buffer of that viewer has "
            f"{RECEIVE_BYTES // 1024} KiB, which is what small packets fill of Linux's default."
        ),
    )


async def _pass(viewers: Viewers, say: Callable[[int], object], events: int) -> Seen:
    await viewers.count_anew()
    async for _ in paced(events // BURST, PER_S / BURST):
        say(BURST)
    seen = await viewers.until(lambda seen: seen.events >= events * OTHERS or seen.snapshots > 0)
    if seen.gaps or seen.duplicates or seen.snapshots:
        raise RuntimeError(f"the other viewers missed or repeated events: {seen}")
    return seen
