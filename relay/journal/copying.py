"""
Copies all tasks from one store to another, and compares the two.

Tasks are copied in the order of their ids, a page in each commit. So an interrupted copy is the beginning of the whole,
and the next attempt continues after its last task. No relay opens a store to which a copy is not finished: the request
of a task that it lacks could start another run.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from relay.errors import RelayError
from relay.journal.transfer import Store, TaskCopy, digests

PAGE_TASKS: Final = 100
"""How many tasks are copied in one commit."""

PAGE_ENDS: Final = 10_000
"""How many ids are read at once to compare the beginnings of two stores."""

SHOWN: Final = 5
"""How many tasks an error names."""


class Differs(RelayError):
    """The two stores do not have the same tasks, and the target cannot be completed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What a copy has done. Both stores have the same tasks now."""

    tasks: int
    """How many tasks there are."""
    added: int
    """How many of them were added, and not by an earlier attempt."""
    events: int
    """How many events were added."""
    unsent_files: int
    """How many unfinished tasks have files in the spool, which is not part of the store."""
    digest: str
    """A hash of all tasks and events."""


Progress = Callable[[str, int, int], None]
"""Called with what is being done, the number of tasks that are done, and that of all tasks."""


async def copy_all(source: Store, target: Store, progress: Progress) -> Copied:
    """
    Copy what the target lacks, and compare all tasks afterwards.

    Raises:
        Differs: the target has other tasks than the source, or the tasks differ. It is not written to in the first
            case, and not finished in the second.
        ConfigError: a relay has one of the stores open.
        RelayError: a store failed, or a task cannot be stored in the target. The copy can be continued.
    """
    total = await source.count()
    last = await _common_beginning(source, target)
    copying = await target.unfinished() or not await target.count()
    added = events = 0
    if copying:
        await target.begin()
        done = await target.count()
        progress("Copying", done, total)
        async for page in _pages(source, after=last):
            events += await target.add(page, source.log(page[0].task.id, page[-1].task.id))
            added += len(page)
            progress("Copying", done + added, total)
    digest, unsent_files = await _compare(source, target, progress, total)
    await source.check_alone()
    await target.check_alone()
    if copying:
        await target.finish(await source.facts())
    return Copied(tasks=total, added=added, events=events, unsent_files=unsent_files, digest=digest)


async def _common_beginning(source: Store, target: Store) -> str:
    """
    Return the id of the last task of the target.

    Raises:
        Differs: the source does not begin with exactly the target's tasks.
    """
    last = ""
    while theirs := await target.ends(after=last, limit=PAGE_ENDS):
        ours = await source.ends(after=last, limit=len(theirs))
        if list(ours) != list(theirs):
            raise await _refusal(target, {task for task, _ in set(theirs) - set(ours)})
        last = theirs[-1][0]
    return last


async def _refusal(target: Store, tasks: set[str]) -> Differs:
    named = ", ".join(sorted(tasks)[:SHOWN]) or "fewer tasks"
    if await target.unfinished():
        return Differs(
            f"the source has changed since the copy began (differences: {named}). Delete the target, and copy again"
        )
    return Differs(f"the target has other tasks than the source ({named}). Copy to an empty store")


async def _compare(source: Store, target: Store, progress: Progress, total: int) -> tuple[str, int]:
    """
    Compare all tasks with their logs; return a hash of them, and how many unfinished ones have files.

    Raises:
        Differs: they are not the same.
    """
    last = ""
    whole, done, unsent_files = sha256(), 0, 0
    different: list[str] = []
    progress("Verifying", 0, total)
    async for page in _pages(source, after=""):
        ours = await digests(source, page)
        theirs = await digests(target, await target.tasks(after=last, limit=len(page)))
        last = page[-1].task.id
        different += [task for task in ours.keys() | theirs.keys() if ours.get(task) != theirs.get(task)]
        whole.update(b"".join(ours.values()))
        unsent_files += sum(bool(each.task.files) and not each.state.ended for each in page)
        done += len(page)
        progress("Verifying", done, total)
    if different:
        named = ", ".join(sorted(different)[:SHOWN])
        raise Differs(f"{len(different)} tasks differ between the stores, such as {named}. Copy to an empty store")
    if done != await target.count():
        raise Differs(f"the target has {await target.count()} tasks, and the source {done}. Copy to an empty store")
    return whole.hexdigest(), unsent_files


async def _pages(store: Store, *, after: str) -> AsyncIterator[list[TaskCopy]]:
    """Yield all tasks after an id, page by page."""
    while page := await store.tasks(after=after, limit=PAGE_TASKS):
        yield list(page)
        after = page[-1].task.id
