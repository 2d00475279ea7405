"""
Deletes tasks: those with a given id, and all of a tag.

Any node can delete a task that has ended: nothing is written about it any more. One that runs has to be canceled first.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from relay import log
from relay.core.snapshot import Snapshot
from relay.errors import Code, RequestError, UpstreamError
from relay.journal.base import Journal
from relay.journal.deletions import absence
from relay.journal.lists import Filter, ListPosition
from relay.providers.base import Provider
from relay.tasks.waiting import Waits

END_S = 30.0
"""How long a call waits for the ends of the tasks that it has canceled."""

CALL_S = 30.0
"""How long a call deletes tasks of a tag before it returns. It also waits for ends."""

PAGE_TASKS = 50
"""How many tasks of a tag are deleted in one commit. Other commits have to wait for it."""

Cancel = Callable[[str], Awaitable[object]]
"""Asks the platform to stop a task."""

_log = log.get("deleting")


@dataclass(slots=True, kw_only=True)
class Report:
    """What became of the tasks of a tag."""

    deleted: int = 0
    running: list[str] = field(default_factory=list)
    """The tasks that have not ended, so that they were not deleted."""
    failed: dict[str, str] = field(default_factory=dict)
    """By task: why it was not deleted, although it has ended."""
    complete: bool = True
    """Whether all tasks were looked at. If not, the call must be repeated."""


class Deleter:
    """The use case that deletes tasks."""

    def __init__(
        self,
        journal: Journal,
        providers: Mapping[str, Provider],
        waits: Waits,
        cancel: Cancel,
        clock: Callable[[], float],
    ) -> None:
        """
        Args:
            journal: has the tasks.
            providers: by name.
            waits: waits for the ends of tasks.
            cancel: cancels a task.
            clock: returns unix seconds.
        """
        self._journal = journal
        self._providers = providers
        self._waits = waits
        self._cancel = cancel
        self._clock = clock

    async def delete(self, task: str, *, cancel: bool, upstream: bool) -> None:
        """
        Delete a task. A task that was deleted before stays deleted.

        Args:
            task: by id.
            cancel: whether to cancel it first, if it has not ended.
            upstream: whether to delete the platform's copy, too.

        Raises:
            RequestError: there is no such task, it has not ended, or the platform's copy cannot be deleted.
            UpstreamError: the platform could not be called, or refused. The task was not deleted.
        """
        if not upstream and await self._delete([task], upstream=False):  # also if its data is damaged
            return
        snapshot = await self._journal.snapshot(task)
        if snapshot is None:
            await self._check_deleted(task, upstream=upstream)
            return
        if snapshot.done is None:
            snapshot = await self._ended(task) if cancel else None
        if snapshot is None:
            detail = "The task has not ended. Repeat the call when it has, or cancel it with `cancel=1`."
            raise RequestError(Code.CONFLICT, detail)
        if upstream:
            await self._delete_upstream(snapshot)
        await self._delete([task], upstream=upstream)

    async def delete_tagged(self, tag: str, *, cancel: bool, upstream: bool) -> Report:
        """
        Delete all tasks of a tag, for up to CALL_S and then END_S seconds.

        Args:
            tag: the tag.
            cancel: whether to cancel those that have not ended.
            upstream: whether to delete the platform's copies, too.
        """
        loop, report = asyncio.get_running_loop(), Report()
        until_s = loop.time() + CALL_S
        after: ListPosition | None = None
        while places := await self._journal.page(Filter(tag=tag), after=after, limit=PAGE_TASKS):
            if loop.time() > until_s:
                report.complete = False
                break
            after = places[-1]
            known = {each.id: each for each in await self._journal.snapshots([place.id for place in places])}
            running = [task for task, snapshot in known.items() if snapshot.done is None]
            report.running += running
            await self._delete_some([place.id for place in places if place.id not in running], known, report, upstream)
        if cancel and report.running:
            await self._cancel_all(report, upstream)
        _log.info("tasks.deleted", count=report.deleted, running=len(report.running), failed=len(report.failed))
        return report

    async def _cancel_all(self, report: Report, upstream: bool) -> None:
        """Cancel the running tasks of a report, and delete those that end soon."""
        ended = await asyncio.gather(*(self._ended_or_none(task) for task in report.running))
        known = {snapshot.id: snapshot for snapshot in ended if snapshot is not None}
        report.running = [task for task in report.running if task not in known]
        for start in range(0, len(known), PAGE_TASKS):
            await self._delete_some(list(known)[start : start + PAGE_TASKS], known, report, upstream)

    async def _delete_some(
        self, tasks: Sequence[str], known: Mapping[str, Snapshot], report: Report, upstream: bool
    ) -> None:
        """Delete tasks that have ended. Those whose data is damaged are not in `known`."""
        chosen = []
        for task in tasks:
            try:
                if upstream:
                    await self._delete_upstream(known.get(task))
            except (RequestError, UpstreamError) as error:
                report.failed[task] = error.detail
            else:
                chosen.append(task)
        deleted = await self._delete(chosen, upstream=upstream)
        report.deleted += len(deleted)
        report.running += [task for task in chosen if task not in deleted]

    async def _delete(self, tasks: Sequence[str], *, upstream: bool) -> Sequence[str]:
        deleted = await self._journal.deletions.delete(tasks, at=self._clock(), upstream=upstream) if tasks else ()
        for task in deleted:
            _log.info("task.deleted", task=task, upstream=upstream)
        return deleted

    async def _check_deleted(self, task: str, *, upstream: bool) -> None:
        """
        Check that a task that is not there was deleted as it is asked for.

        Raises:
            RequestError: it was not.
        """
        tombstone = await self._journal.deletions.find(task)
        if tombstone is None:
            raise await absence(self._journal.deletions, task)
        if upstream and not tombstone.upstream:
            detail = (
                "The task was deleted, but not the platform's copy: the relay does not know any more which one it is. "
                "Delete it on the platform."
            )
            raise RequestError(Code.CONFLICT, detail)

    async def _ended(self, task: str) -> Snapshot | None:
        """Cancel a task; return its state if it ends soon."""
        until_s = asyncio.get_running_loop().time() + END_S
        with suppress(RequestError):  # it may have ended; one that cannot be canceled may end soon
            await self._cancel(task)
        return await self._waits.until_ended(task, until_s)

    async def _ended_or_none(self, task: str) -> Snapshot | None:
        with suppress(UpstreamError):
            return await self._ended(task)
        return None

    async def _delete_upstream(self, snapshot: Snapshot | None) -> None:
        """
        Delete the platform's copy of a task that has ended, if there is one.

        Raises:
            RequestError: it cannot be deleted.
            UpstreamError: the platform could not be called, or refused.
        """
        stored = None if snapshot is None else await self._journal.stored_task(snapshot.id)
        if snapshot is None or stored is None:
            raise _no_copy("the stored data of the task is damaged")
        provider = self._providers.get(stored.provider)
        if stored.upstream is None:
            if snapshot.done is not None and snapshot.done.verdict == "lost":
                raise _no_copy("the relay does not know whether there is one")
        elif provider is None:
            raise _no_copy(f"the relay has no credentials for {stored.provider}")
        elif not provider.deletes:
            raise _no_copy(f"{provider.name} has no call for that")
        else:
            await provider.delete(stored.upstream)


def _no_copy(reason: str) -> RequestError:
    detail = f"The platform's copy cannot be deleted: {reason}. Delete the task without `upstream=1`."
    return RequestError(Code.CONFLICT, detail)
