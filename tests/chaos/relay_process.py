"""The relay as a process of its own on one store and one port, that is killed and comes back."""

import asyncio
import os
import socket
import sys
from pathlib import Path
from random import Random

from relay.sandbox import Sandbox

KEY = "a-management-key-for-chaos"
PROGRAM = Path(__file__).with_name("strained.py")


def free_port(random: Random) -> int:
    """
    Return a port that nobody has, below those that the system gives to clients.

    Among those, a client that calls while the relay is down could be given the very port that it calls, be connected
    to itself, and keep the relay from coming back.
    """
    while True:
        port = random.randrange(18_000, 30_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port


class RelayProcess:
    """A relay. Each life of it may be told its public address, or not."""

    def __init__(self, folder: Path, sandbox: Sandbox, port: int, lives: asyncio.TaskGroup) -> None:
        """Lives are watched over in the group `lives`: one that ends by itself is an AssertionError."""
        self.folder = folder
        self.url = f"http://127.0.0.1:{port}"
        self.socket_url = f"ws://127.0.0.1:{port}"
        self.log = folder / "relay.log"
        self._lives = lives
        self._process: asyncio.subprocess.Process | None = None
        self._victim: asyncio.subprocess.Process | None = None
        self._settings = {
            "RELAY_PORT": str(port),
            "RELAY_API_KEYS": KEY,
            "RELAY_SILENCE": "2",
            "RELAY_REQUEST_TIMEOUT": "5",
            "RELAY_LOG_FORMAT": "json",
            "WIRO_API_KEY": sandbox.api_key,
            "WIRO_API_SECRET": sandbox.api_secret or "",
            "WIRO_API_URL": sandbox.api_url,
            "WIRO_SOCKET_URL": sandbox.socket_url,
        }

    async def start(self, *, public: bool) -> None:
        """Begin a life; with `public` the upstream is asked to call back."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RELAY_", "WIRO_"))}
        given = self._settings | ({"RELAY_PUBLIC_URL": self.url} if public else {})
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, PROGRAM, "serve", cwd=self.folder, env=inherited | given, stdout=log, stderr=log
            )
        self._lives.create_task(self._live(self._process))

    async def kill(self) -> None:
        """End a life at once, without a word."""
        self._victim = self._process
        if self._victim is not None and self._victim.returncode is None:
            self._victim.kill()
            await self._victim.wait()

    async def _live(self, process: asyncio.subprocess.Process) -> None:
        code = await process.wait()
        assert process is self._victim, f"the relay ended by itself with {code}"

    def faults(self) -> list[str]:
        """Return the lines of its log that tell of a fault of its own."""
        signs = ("Traceback", "crashed", '"level":"critical"', "journal.failed", "stream.failed", "socket.failed")
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return [line for line in lines if any(sign in line for sign in signs)]
