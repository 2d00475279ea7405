"""
Which files of tasks are to be copied to the archive, and what became of each: a part of the journal's contract.

A copy is added in the commit that ends its task. It is work for any node: `claim` gives it to one, and `settle` stores
how it went. A node that has stopped loses its claims. The journal knows nothing of the archive itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

from relay.core.events import Output
from relay.core.upstream import File


class CopyState(StrEnum):
    """What became of a copy."""

    WAITING = "waiting"
    """It is to be made, or is being made."""
    KEPT = "kept"
    """It is in the archive."""
    FAILED = "failed"
    """It could not be made."""
    EXPIRING = "expiring"
    """It is to be deleted, because it is too old or the archive is full."""
    REMOVED = "removed"
    """It was deleted."""
    ORPHANED = "orphaned"
    """It is to be deleted with its row, because the task was deleted."""


_SPOOLED: Final = "spool:"
"""What the `url` of an uploaded file begins with. It is the address of no platform."""

TO_DO = (CopyState.WAITING, CopyState.EXPIRING, CopyState.ORPHANED)
"""The states in which there is something to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCopy:
    """The copy of one file of a task."""

    task: str
    part: str
    """
    Which file of the task it is: `outputs/0` is its first result, `inputs/0` the first file that was uploaded.

    Its place in the archive begins with both.
    """
    provider: str
    url: str = field(repr=False)
    """Where the file is at the platform, possibly signed; for an uploaded file, its path in the spool."""
    name: str | None = field(default=None, repr=False)
    content_type: str
    """As the platform states it, and of the file itself once it is kept."""
    size_bytes: int | None = None
    """As the platform states it, and of the file itself once it is kept."""
    sha256: str | None = None
    state: CopyState = CopyState.WAITING
    reason: str | None = None
    """Why the last attempt failed, or why the copy was removed."""
    attempts: int = 0
    next_at: float = 0.0
    """When there is something to do, in unix seconds."""
    kept_at: float | None = None
    owner: str | None = None
    """The node that has claimed it."""


def copies_of(task: str, provider: str, outputs: Sequence[Output]) -> tuple[FileCopy, ...]:
    """Return the copies to make of the results of a task."""
    return tuple(
        FileCopy(
            task=task,
            part=output_part(number),
            provider=provider,
            url=output.url,
            name=output.name,
            content_type=output.content_type,
            size_bytes=output.size,
        )
        for number, output in enumerate(outputs)
        if output.url is not None
    )


def copies_of_files(task: str, provider: str, files: Sequence[File]) -> tuple[FileCopy, ...]:
    """Return the copies to make of the files that a task was started with. They are in the spool until then."""
    return tuple(
        FileCopy(
            task=task,
            part=input_part(number),
            provider=provider,
            url=f"{_SPOOLED}{file.path}",
            name=file.filename,
            content_type=file.content_type,
            size_bytes=file.size_bytes,
            sha256=file.sha256,
        )
        for number, file in enumerate(files)
    )


def spooled_path(copy: FileCopy) -> Path | None:
    """Return the path in the spool of a file that was uploaded; null for a result."""
    return Path(copy.url.removeprefix(_SPOOLED)) if copy.url.startswith(_SPOOLED) else None


def input_part(number: int) -> str:
    """Return the `part` of the uploaded file with this number."""
    return f"inputs/{number}"


def output_part(number: int) -> str:
    """Return the `part` of the result with this number."""
    return f"outputs/{number}"


def settled(stored: FileCopy, copy: FileCopy) -> FileCopy:
    """
    Return what is stored when the only node has settled a copy. A task that was deleted meanwhile stays deleted.

    In a shared journal, an uploaded file stays with the node that has it (see `relay_settle_copy` in functions.sql).
    """
    state = stored.state if stored.state is CopyState.ORPHANED else copy.state
    return replace(copy, state=state, owner=None)


class FileCopies(Protocol):
    """The copies of all tasks. Every method raises StoreError if the store fails."""

    async def of_task(self, task: str) -> tuple[FileCopy, ...]:
        """Return the copies of a task in the order of its results, without those that are orphaned."""

    async def find(self, task: str, part: str) -> FileCopy | None:
        """Return one copy of a task."""

    async def spooled(self) -> tuple[FileCopy, ...]:
        """Return the copies of uploaded files that are waiting: their files must stay in the spool."""

    async def due_at(self) -> float | None:
        """Return when the next copy that no living node has claimed is due, in unix seconds; null without any."""

    async def claim(self, now: float, *, limit: int) -> tuple[FileCopy, ...]:
        """Claim copies that are due and that no living node has claimed, at most `limit`, those due first first."""

    async def settle(self, copy: FileCopy) -> bool:
        """
        Give up the claim of a copy and store what became of it.

        Returns:
            Whether no copy of the task is waiting any more. Of copies that are settled at once, one finds this.

        Raises:
            Fenced: another node has claimed it since; nothing was stored.
        """

    async def forget(self, copy: FileCopy) -> None:
        """Delete the row of an orphaned copy that this node has claimed. Idempotent."""

    async def expire(self, *, kept_before: float, limit: int, reason: str) -> int:
        """Have the oldest copies deleted that were kept before a time, at most `limit`; return how many."""

    async def size_bytes(self) -> int:
        """Return the size of all kept copies."""
