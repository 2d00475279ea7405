"""
The thread that moves what was committed from SQLite's write-ahead log into the file itself.

Left to SQLite, every so many pages one commit does it, and all who are waiting for that commit wait for the disk. Done
here, it runs beside them. The writer's own limit stays as the last resort, for a log that grows faster than this.
"""

import sqlite3
import threading
from contextlib import ExitStack, closing, suppress
from pathlib import Path

PAUSE_S = 1.0
"""Between two of them: what is moved is little then, and is moved together."""

WRITER_PAGES = 4000
"""At so many pages (16 MB) the writer does it by itself."""


class Checkpoints:
    """The thread. `due` says that something was committed; `stop` ends it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._due = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal-checkpoints", daemon=True)
        self._thread.start()

    def due(self) -> None:
        """Take note that something was committed."""
        self._due.set()

    def stop(self) -> None:
        """End the thread, and wait for it."""
        self._stopped.set()
        self._due.set()
        self._thread.join()

    def _run(self) -> None:
        with ExitStack() as stack:
            connection: sqlite3.Connection | None = None
            while self._due.wait() and not self._stopped.wait(PAUSE_S):
                self._due.clear()
                # A disk that fails, or a process without a free descriptor, fails the writer too, which logs it.
                with suppress(sqlite3.Error):
                    if connection is None:
                        opened = sqlite3.connect(self._path, timeout=0, isolation_level=None)
                        connection = stack.enter_context(closing(opened))
                    connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
