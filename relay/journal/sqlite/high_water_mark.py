"""
The high-water mark: the last commit of the journal, noted beside its file.

A restored copy of the file looks like any other journal: it has an epoch, and its logs may reach the seq of a viewer's
cursor again with different events. At the next start the mark shows that commits are missing.
"""

import sqlite3
from dataclasses import dataclass
from typing import Final

_LENGTH: Final = 128
"""The length of every mark, so that a new one overwrites the old one completely."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HighWaterMark:
    """The last commit that a viewer may have seen."""

    epoch: str
    inode: int
    """The inode of the file. A copy usually has another one."""
    task: str = "-"
    """The task whose log the commit continued; `-` if there was none in this epoch."""
    seq: int = 0

    def encode(self) -> bytes:
        """Encode the mark as a line."""
        return f"{self.epoch} {self.inode} {self.task} {self.seq}".encode().ljust(_LENGTH - 1) + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> "HighWaterMark | None":
        """Decode a line; null if it is empty or was not written completely."""
        try:
            epoch, inode, task, seq = line.decode("ascii").split()
            return cls(epoch=epoch, inode=int(inode), task=task, seq=int(seq))
        except ValueError:
            return None

    def matches(self, connection: sqlite3.Connection, *, epoch: str, inode: int) -> bool:
        """Return whether a journal is the marked one and contains the last commit."""
        if (self.epoch, self.inode) != (epoch, inode):
            return False
        if self.task == "-":
            return True
        row = connection.execute(
            "SELECT coalesce((SELECT max(seq) FROM events WHERE task = id), snapshot_seq, 0) FROM tasks WHERE id = ?",
            (self.task,),
        ).fetchone()
        return row is not None and row[0] >= self.seq
