"""
Writes lines to a file descriptor on a thread of its own, so that whoever has a line never waits for a reader.

A log pipe that nobody reads takes 64 KiB on Linux, and then blocks its writer for as long as it lasts. Here lines wait
in a bounded queue. When it is full, or when they cannot be written, they are dropped and counted, and the count is
written as soon as that is possible again.
"""

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable

LIMIT_BYTES = 2**20

_FLUSH_LIMIT_S = 1.0
"""How long the end of the process may be held up by a pipe that nobody reads."""


class LineWriter:
    """A bounded queue of lines in front of a file descriptor."""

    def __init__(self, fd: int, note: Callable[[int], bytes], *, limit_bytes: int = LIMIT_BYTES) -> None:
        """
        Args:
            fd: where lines go; it stays its owner's to close.
            note: makes the line that says how many were dropped.
            limit_bytes: how much may wait.
        """
        self._fd = fd
        self._note = note
        self._limit_bytes = limit_bytes
        self._lines: deque[tuple[bytes, int]] = deque()
        """Each with how many lines it stands for: a note for all that it counts."""
        self._waiting_bytes = 0
        self._dropped = 0
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def write(self, line: bytes) -> None:
        """Queue a line, or drop and count it."""
        with self._changed:
            if self._waiting_bytes + len(line) > self._limit_bytes:
                self._dropped += 1
                return
            self._tell_dropped()
            self._append(line, 1)

    def flush(self, within_s: float = _FLUSH_LIMIT_S) -> None:
        """Wait until all lines are written, but no longer than `within_s`."""
        until = time.monotonic() + within_s
        with self._changed:
            while self._waiting_bytes and (left_s := until - time.monotonic()) > 0:
                self._changed.wait(left_s)

    def close(self, within_s: float = _FLUSH_LIMIT_S) -> None:
        """Write what is left, as far as that is possible within `within_s`, and stop."""
        with self._changed:
            self._tell_dropped()
            self._closed = True
            self._changed.notify_all()
        self._thread.join(within_s)

    def _tell_dropped(self) -> None:
        if self._dropped:
            self._append(self._note(self._dropped), self._dropped)
            self._dropped = 0

    def _append(self, line: bytes, stands_for: int) -> None:
        self._lines.append((line, stands_for))
        self._waiting_bytes += len(line)
        self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._lines and not self._closed:
                    self._changed.wait()
                if not self._lines:
                    return
                line, stands_for = self._lines.popleft()
            try:
                self._write(line)
                lost = 0
            except OSError:  # a full disk, a terminal that is gone, a pipe whose reader has left
                lost = stands_for
            with self._changed:
                self._waiting_bytes -= len(line)
                self._dropped += lost
                self._changed.notify_all()

    def _write(self, line: bytes) -> None:
        # Not by sys.stderr: a thread that waits there holds its lock, without which the interpreter cannot end.
        left = memoryview(line)
        while left:
            try:
                left = left[os.write(self._fd, left) :]
            except BlockingIOError:  # somebody who shares the pipe has made it non-blocking
                select.select((), (self._fd,), ())
