"""The relay as a process that is killed and restarted with the same store and port."""

import asyncio
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random

from relay.sandbox import Sandbox
from tests.shell import inherited_environment

KEY = "a-management-key-for-chaos"
PROGRAM = Path(__file__).with_name("strained.py")

SIGNS_OF_A_FAULT = ("Traceback", "crashed", '"level": "critical"', "journal.failed", "stream.failed", "socket.failed")


def free_port(random: Random) -> int:
    """
    Return a free port below the range of ephemeral ports.

    A client that connects to an ephemeral port while the relay is down could be assigned that very port, connect to
    itself, and keep the relay from binding it again.
    """
    while True:
        port = random.randrange(18_000, 30_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port


class RelayProcess:
    """A relay process that can be restarted, with or without its public URL."""

    def __init__(
        self,
        folder: Path,
        sandbox: Sandbox,
        port: int,
        group: asyncio.TaskGroup,
        *,
        command: Sequence[str | Path] = (sys.executable, PROGRAM, "serve"),
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """
        Prepare the process; `group` fails with an AssertionError if it exits unexpectedly.

        Args:
            folder: the working directory, which also has the log.
            sandbox: the simulated platforms.
            port: the port to listen on.
            group: the task group that watches the process.
            command: the command line.
            settings: environment variables in addition to the usual ones, which they override.
        """
        self.folder = folder
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / "relay.log"
        self.started = 0
        """How often the relay was started."""
        self.exited: Callable[[RelayProcess, int], None] | None = None
        """Called with the exit code if the process exits unexpectedly; without it, the group fails."""
        self._command = command
        self._group = group
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
        """The id of the running process, or None."""
        alive = self._process is not None and self._process.returncode is None
        return self._process.pid if alive and self._process is not None else None

    async def start(self, *, public: str | None) -> None:
        """Start the relay; with the public URL `public`, platforms send callbacks."""
        inherited = inherited_environment()
        given = self._settings | ({"RELAY_PUBLIC_URL": public} if public else {})
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, cwd=self.folder, env=inherited | given, stdout=log, stderr=log
            )
        self.started += 1
        self._group.create_task(self._watch(self._process))

    async def kill(self) -> None:
        """Kill the relay with SIGKILL."""
        await self.end(signal.SIGKILL)

    async def end(self, how: signal.Signals) -> int | None:
        """Send a signal and wait for the exit code; return None if no process is running."""
        self._victim = self._process
        if self._victim is None or self._victim.returncode is not None:
            return None
        self._victim.send_signal(how)
        return await self._victim.wait()

    def signal(self, what: signal.Signals) -> None:
        """Send a signal without waiting for the process to exit."""
        assert self._process is not None
        self._process.send_signal(what)

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        code = await process.wait()
        if process is self._victim:
            return
        assert self.exited is not None, f"the relay exited unexpectedly with {code}; its log is {self.log}"
        self.exited(self, code)

    def log_tail(self, lines: int = 40) -> str:
        """Return the end of the log, for a run that failed."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return "\n".join([f"--- the end of {self.log} ({self.url}):", *text.splitlines()[-lines:]])

    def faults(self, signs: Sequence[str] = SIGNS_OF_A_FAULT) -> list[str]:
        """Return the lines of the log that have one of these signs."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return [line for line in lines if any(sign in line for sign in signs)]
