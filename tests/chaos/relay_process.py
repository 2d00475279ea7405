"""The relay as a process of its own on one store and one port, that is killed and comes back."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

from relay.sandbox import Sandbox

KEY = "a-management-key-for-chaos"
PROGRAM = Path(__file__).with_name("strained.py")
OURS = ("RELAY_", "WIRO_", "APIKLEY_")
"""How the variables begin that a relay is given by its test alone."""

SIGNS_OF_A_FAULT = ("Traceback", "crashed", '"level":"critical"', "journal.failed", "stream.failed", "socket.failed")


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

    def __init__(
        self,
        folder: Path,
        sandbox: Sandbox,
        port: int,
        lives: asyncio.TaskGroup,
        *,
        command: Sequence[str | Path] = (sys.executable, PROGRAM, "serve"),
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """
        Watch over its lives in a task group: one that ends by itself is an AssertionError.

        Args:
            folder: where it runs, and where its log is.
            sandbox: the platforms that it talks to.
            port: where it listens.
            lives: the group.
            command: what is run.
            settings: variables of its environment that are added to the usual ones, or replace them.
        """
        self.folder = folder
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / "relay.log"
        self.started = 0
        """How many lives it has had."""
        self._command = command
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
            **(settings or {}),
        }

    @property
    def pid(self) -> int | None:
        """The id of the process that lives; null between two lives."""
        alive = self._process is not None and self._process.returncode is None
        return self._process.pid if alive and self._process is not None else None

    async def start(self, *, public: str | None) -> None:
        """Begin a life; with `public`, the address that the platforms reach it under, they are asked to call back."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        given = self._settings | ({"RELAY_PUBLIC_URL": public} if public else {})
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, cwd=self.folder, env=inherited | given, stdout=log, stderr=log
            )
        self.started += 1
        self._lives.create_task(self._live(self._process))

    async def kill(self) -> None:
        """End a life at once, without a word."""
        await self.end(signal.SIGKILL)

    async def end(self, how: signal.Signals) -> int | None:
        """End a life with a signal, and return its exit code; null when there was none."""
        self._victim = self._process
        if self._victim is None or self._victim.returncode is not None:
            return None
        self._victim.send_signal(how)
        return await self._victim.wait()

    def signal(self, what: signal.Signals) -> None:
        """Send a signal that ends nothing."""
        assert self._process is not None
        self._process.send_signal(what)

    async def _live(self, process: asyncio.subprocess.Process) -> None:
        code = await process.wait()
        assert process is self._victim, f"the relay ended by itself with {code}"

    def faults(self, signs: Sequence[str] = SIGNS_OF_A_FAULT) -> list[str]:
        """Return the lines of its log that tell of a fault of its own."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return [line for line in lines if any(sign in line for sign in signs)]
