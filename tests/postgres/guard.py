"""
A temporary directory for servers, and a process that stops them and removes it even if the tests are killed.

The process waits for the end of its standard input, which the tests hold open. It is started without site-packages.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

POLL_S = 0.02


@contextmanager
def guarded_directory() -> Iterator[Path]:
    """Create a directory; at the end of the block or of this process, stop the servers in it and remove it."""
    directory = Path(tempfile.mkdtemp(prefix="relay-postgres-"))
    with subprocess.Popen(
        [sys.executable, "-S", "-E", __file__, directory],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # ctrl-C in a terminal does not reach it
    ):
        yield directory


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def send(pids: list[int], number: signal.Signals) -> None:
    """Send a signal to those processes that still exist."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _servers(directory: str) -> list[int]:
    """Return the processes whose data directory is in `directory`."""
    argument = b"-D\0" + os.fsencode(directory) + b"/"
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(FileNotFoundError, ProcessLookupError):
            if argument in path.read_bytes():
                found.append(int(path.parent.name))
    return found


def _main(directory: str) -> None:
    sys.stdin.read()
    while servers := _servers(directory):
        for pid in servers:
            send(children(pid), signal.SIGCONT)
        send(servers, signal.SIGCONT)
        send(servers, signal.SIGQUIT)
        time.sleep(POLL_S)
    shutil.rmtree(directory)


if __name__ == "__main__":
    _main(sys.argv[1])
