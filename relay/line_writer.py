"""
Write lines to a file descriptor on a thread, so that logging never blocks the event loop.

A pipe without a reader takes 64 KiB on Linux and then blocks its writer. Lines therefore wait in a bounded queue. Lines
that do not fit or cannot be written are dropped and counted, and the count is written when writing works again.
"""

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable

LIMIT_BYTES = 2**20

_FLUSH_LIMIT_S = 1.0
"""How long a pipe without a reader may delay the end of the process."""


class LineWriter:
    """A bounded queue of lines in front of a file descriptor."""

    def __init__(self, fd: int, note: Callable[[int], bytes], *, limit_bytes: int = LIMIT_BYTES) -> None:
        """
        Args:
            fd: the file descriptor to write to. The caller closes it.
            note: returns the line that reports the given number of dropped lines.
            limit_bytes: the size of the queue.
        """
        self._fd = fd
        self._note = note
        self._limit_bytes = limit_bytes
        self._lines: deque[tuple[bytes, int]] = deque()
        """Each line with the number of lines lost if it cannot be written; a note counts all lines that it reports."""
        self._waiting_bytes = 0
        self._dropped = 0
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def write(self, line: bytes) -> None:
        """Queue a line. If the queue is full, drop and count it."""
        with self._changed:
            if self._waiting_bytes + len(line) > self._limit_bytes:
                self._dropped += 1
                return
            self._report_dropped()
            self._append(line, 1)

    def flush(self, within_s: float = _FLUSH_LIMIT_S) -> None:
        """Wait until all lines are written, for at most `within_s` seconds."""
        until = time.monotonic() + within_s
        with self._changed:
            while self._waiting_bytes and (left_s := until - time.monotonic()) > 0:
                self._changed.wait(left_s)

    def close(self, within_s: float = _FLUSH_LIMIT_S) -> None:
        """Write the queued lines within `within_s` seconds, and stop the thread."""
        with self._changed:
            self._report_dropped()
            self._closed = True
            self._changed.notify_all()
        self._thread.join(within_s)

    def _report_dropped(self) -> None:
        if self._dropped:
            self._append(self._note(self._dropped), self._dropped)
            self._dropped = 0

    def _append(self, line: bytes, lost_if_dropped: int) -> None:
        self._lines.append((line, lost_if_dropped))
        self._waiting_bytes += len(line)
        self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._lines and not self._closed:
                    self._changed.wait()
                if not self._lines:
                    return
                line, lost_if_dropped = self._lines.popleft()
            try:
                self._write(line)
                lost = 0
            except OSError:  # the disk is full, or the terminal or the pipe's reader is gone
                lost = lost_if_dropped
            with self._changed:
                self._waiting_bytes -= len(line)
                self._dropped += lost
                self._changed.notify_all()

    def _write(self, line: bytes) -> None:
        # Not with sys.stderr: a thread that blocks there holds its lock, and the interpreter cannot exit without it.
        left = memoryview(line)
        while left:
            try:
                left = left[os.write(self._fd, left) :]
            except BlockingIOError:  # another process that shares the pipe has made it non-blocking
                select.select((), (self._fd,), ())
