"""
The thread that moves committed data from SQLite's write-ahead log into the database file.

By default SQLite does this inside a commit, once the log has a certain size, and all callers that wait for the commit
wait for the disk. This thread does it concurrently. The writer's own limit remains, for a log that grows faster.
"""

import sqlite3
import threading
from contextlib import ExitStack, closing, suppress
from pathlib import Path

PAUSE_S = 1.0
"""The time between two checkpoints, so that each moves little, but more than a single commit."""

WRITER_PAGES = 4000
"""The size of the log (16 MB) at which the writer makes a checkpoint itself."""


class Checkpoints:
    """The thread that makes checkpoints."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._notified = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal-checkpoints", daemon=True)
        self._thread.start()

    def notify(self) -> None:
        """Note a commit, so that a checkpoint is made soon."""
        self._notified.set()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stopped.set()
        self._notified.set()
        self._thread.join()

    def _run(self) -> None:
        with ExitStack() as stack:
            connection: sqlite3.Connection | None = None
            while self._notified.wait() and not self._stopped.wait(PAUSE_S):
                self._notified.clear()
                # A failing disk or a lack of file descriptors fails the writer, too, which logs it.
                with suppress(sqlite3.Error):
                    if connection is None:
                        opened = sqlite3.connect(self._path, timeout=0, isolation_level=None)
                        connection = stack.enter_context(closing(opened))
                    connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
