"""
How far the journal had come, written beside its file: what shows at the next start that the file is an older copy.

A copy that was restored has the epoch of its day, and its log may reach the seq of a viewer's cursor again with other
events. From inside it looks like any other journal. But its last commit is not the one that was noted beside it.
"""

import sqlite3
from dataclasses import dataclass

_LENGTH = 128
"""All marks are as long, so that one is written over another without a trace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The last commit that a viewer may have seen."""

    epoch: str
    inode: int
    """Of the file: one that is copied back has another, mostly."""
    task: str = "-"
    """Whose log the commit continued; `-` while there was none in this epoch."""
    seq: int = 0

    def encode(self) -> bytes:
        """Write it as a line."""
        return f"{self.epoch} {self.inode} {self.task} {self.seq}".encode().ljust(_LENGTH - 1) + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> "Mark | None":
        """Read such a line; null where there is none, or it is torn."""
        try:
            epoch, inode, task, seq = line.decode("ascii").split()
            return cls(epoch=epoch, inode=int(inode), task=task, seq=int(seq))
        except ValueError:
            return None

    def fits(self, connection: sqlite3.Connection, *, epoch: str, inode: int) -> bool:
        """Say whether a journal is the one that was marked so, and has that last commit."""
        if (self.epoch, self.inode) != (epoch, inode):
            return False
        if self.task == "-":
            return True
        row = connection.execute(
            "SELECT coalesce((SELECT max(seq) FROM events WHERE task = id), snapshot_seq, 0) FROM tasks WHERE id = ?",
            (self.task,),
        ).fetchone()
        return row is not None and row[0] >= self.seq
