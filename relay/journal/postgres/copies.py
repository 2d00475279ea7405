"""The table of copies of files. See `relay.journal.file_copies.FileCopies` and functions.sql."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from relay.errors import Fenced
from relay.journal.damage import decoding
from relay.journal.file_copies import CopyState, FileCopy
from relay.journal.postgres.errands import Errands
from relay.journal.postgres.reader import Reader

if TYPE_CHECKING:
    import asyncpg

STORED: Final = (
    *("task", "part", "provider", "url", "name", "content_type", "size_bytes", "sha256"),
    *("state", "reason", "attempts", "next_at", "kept_at"),
)
"""The columns, without the owner."""

_COLUMNS: Final = f"{', '.join(STORED)}, owner::text"

OF_TASKS: Final = (
    f"SELECT {_COLUMNS} FROM copies WHERE task = ANY ($1) AND state <> 'orphaned'"  # noqa: S608 - constants only
    " ORDER BY task, length(part), part"
)

_OF_TASK: Final = f"SELECT {_COLUMNS} FROM copies WHERE task = $1 AND state <> 'orphaned' ORDER BY length(part), part"  # noqa: S608

_FIND: Final = f"SELECT {_COLUMNS} FROM copies WHERE task = $1 AND part = $2"  # noqa: S608 - constants only

_SPOOLED: Final = f"SELECT {_COLUMNS} FROM copies WHERE state = 'waiting' AND part LIKE 'inputs/%'"  # noqa: S608 - constants only

_DUE_AT: Final = """
SELECT min(next_at) AS at FROM copies c
WHERE state IN ('waiting', 'expiring', 'orphaned') AND relay_is_free(c, $1, $2)
"""

_CLAIM: Final = f"SELECT {_COLUMNS} FROM relay_claim_copies($1, $2, $3, $4)"  # noqa: S608 - constants only

_SETTLE: Final = "SELECT relay_settle_copy($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"

_FORGET: Final = "DELETE FROM copies WHERE task = $1 AND part = $2 AND state = 'orphaned'"

_EXPIRE: Final = """
WITH old AS (
  SELECT task, part FROM copies WHERE state = 'kept' AND kept_at < $1 ORDER BY kept_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE copies c SET state = 'expiring', next_at = 0, reason = $3 FROM old
WHERE c.task = old.task AND c.part = old.part AND c.state = 'kept' RETURNING c.part
"""

_SIZE: Final = "SELECT coalesce(sum(size_bytes), 0)::bigint AS bytes FROM copies WHERE state = 'kept'"


class PostgresCopies:
    """The copies that the database has."""

    def __init__(self, parts: Callable[[], tuple[Reader, Errands]], node: Callable[[], int]) -> None:
        """
        Args:
            parts: returns what reads and writes the database, or raises RuntimeError if the journal is not open.
            node: returns the id of this node, or raises RuntimeError if it has none.
        """
        self._parts = parts
        self._node = node
        self._held: set[str] = set()
        """What this process has claimed and not settled."""

    async def of_task(self, task: str) -> tuple[FileCopy, ...]:
        reader, _ = self._parts()
        return tuple(map(decode_copy, await reader.fetch(_OF_TASK, task)))

    async def find(self, task: str, part: str) -> FileCopy | None:
        reader, _ = self._parts()
        rows = await reader.fetch(_FIND, task, part)
        return decode_copy(rows[0]) if rows else None

    async def spooled(self) -> tuple[FileCopy, ...]:
        reader, _ = self._parts()
        return tuple(map(decode_copy, await reader.fetch(_SPOOLED)))

    async def due_at(self) -> float | None:
        reader, _ = self._parts()
        (row,) = await reader.fetch(_DUE_AT, self._node(), sorted(self._held))
        return None if row["at"] is None else float(row["at"])

    async def claim(self, now: float, *, limit: int) -> tuple[FileCopy, ...]:
        _, errands = self._parts()
        claimed = tuple(map(decode_copy, await errands.run(_CLAIM, self._node(), now, limit, sorted(self._held))))
        self._held |= {_key(copy) for copy in claimed}
        return claimed

    async def settle(self, copy: FileCopy) -> bool:
        _, errands = self._parts()
        rows = await errands.run(
            _SETTLE,
            int(copy.owner or 0),
            copy.task,
            copy.part,
            copy.content_type,
            copy.size_bytes,
            copy.sha256,
            copy.state,
            copy.reason,
            copy.attempts,
            copy.next_at,
            copy.kept_at,
        )
        self._held.discard(_key(copy))
        (outcome,) = rows[0]
        if outcome == "lost":
            raise Fenced(f"the copy {_key(copy)} is not claimed by this node")
        return bool(outcome == "complete")

    async def forget(self, copy: FileCopy) -> None:
        _, errands = self._parts()
        await errands.run(_FORGET, copy.task, copy.part)
        self._held.discard(_key(copy))

    async def expire(self, *, kept_before: float, limit: int, reason: str) -> int:
        _, errands = self._parts()
        return len(await errands.run(_EXPIRE, kept_before, limit, reason))

    async def size_bytes(self) -> int:
        reader, _ = self._parts()
        (row,) = await reader.fetch(_SIZE)
        return int(row["bytes"])


def _key(copy: FileCopy) -> str:
    return f"{copy.task}/{copy.part}"


def decode_copy(row: "asyncpg.Record") -> FileCopy:
    """
    Return the copy that a row describes.

    Raises:
        StoreDamaged: it cannot be decoded.
    """
    with decoding(row["task"], "copies"):
        return FileCopy(**{**dict(row), "state": CopyState(row["state"])})
