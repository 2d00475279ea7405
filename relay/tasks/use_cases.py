"""
The use cases: start a task, attach to one, cancel one, handle a callback, and read tasks.

`relay.web` authorizes the callers. A use case that changes something runs to its end even if its caller leaves.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

from relay.catalogue.check import Offer
from relay.core.budgets import Budgets
from relay.core.events import Event
from relay.core.history.input_class import input_class
from relay.core.history.tally import Tally
from relay.core.history.usual import UsualRun
from relay.core.snapshot import Snapshot
from relay.core.spending import Use
from relay.core.upstream import File
from relay.errors import Code, Fenced, RequestError, UpstreamUnclear
from relay.files.spool import Spool
from relay.journal.base import Journal, StoredTask, Subscription
from relay.journal.deletions import absence
from relay.journal.entries import History
from relay.providers.base import Provider
from relay.tasks.attaching import Attacher
from relay.tasks.background import Background
from relay.tasks.commands import call_back_elsewhere, cancel_elsewhere
from relay.tasks.deleting import Deleter, Report
from relay.tasks.feed import feed
from relay.tasks.listing import Lists
from relay.tasks.models import Models
from relay.tasks.repeating import repeat, reused_files
from relay.tasks.requests import Again, Attach, Idempotency, Start
from relay.tasks.starting import Started, Starter
from relay.tasks.supervisor import Supervisor
from relay.tasks.turns import Begun
from relay.tasks.waiting import Waits


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """A task to be run again."""

    request: Start
    files: Mapping[str, File]
    """Uploaded files of the earlier task that are used again, by their parts in the archive."""
    earlier: Snapshot
    """The state of the earlier task."""


class Tasks:
    """The use cases. Use it as an async context manager: leaving it cancels those that are running."""

    def __init__(
        self,
        journal: Journal,
        providers: Mapping[str, Provider],
        models: Models,
        supervisor: Supervisor,
        spool: Spool,
        clock: Callable[[], float],
        cautious_clock: Callable[[], float],
        budgets: Budgets | None = None,
    ) -> None:
        """
        Args:
            journal: open, until this has been left.
            providers: by name. The first one is the default.
            models: checks the input of tasks.
            supervisor: follows the tasks.
            spool: holds the files that tasks are started with.
            clock: returns unix seconds.
            cautious_clock: returns the unix seconds that have certainly passed.
            budgets: limit what is spent; null for no limit.
        """
        self.lists = Lists(journal)
        self._journal = journal
        self._providers = providers
        self._supervisor = supervisor
        self._background = Background()
        self._starter = Starter(journal, models, supervisor, spool, clock, cautious_clock, budgets)
        self._attacher = Attacher(journal, models, supervisor, clock)
        self._waits = Waits(journal)
        self._deleter = Deleter(journal, providers, self._waits, partial(self._cancel, by="key"), clock)

    def __repr__(self) -> str:
        return f"<Tasks {self._supervisor!r}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._background.__aexit__(*exc_info)

    @property
    def following(self) -> int:
        """The number of tasks that are being followed."""
        return len(self._supervisor)

    @property
    def draining(self) -> bool:
        """Whether the relay is shutting down and accepts no new tasks."""
        return self._supervisor.draining

    async def drain(self, within_s: float) -> None:
        """Accept no new tasks, and wait up to `within_s` seconds for the answers to those that are being submitted."""
        self._waits.close()
        await self._supervisor.drain(within_s)

    async def tallies(self, provider: str | None, model: str | None, since: int) -> Sequence[Tally]:
        """Return the tallies of a model, or of all models, from the day `since` on."""
        return await self._journal.tallies.load(provider=provider, model=model, since=since)

    async def usage(self, *, since: int, until: int, tagged: bool) -> Sequence[Use]:
        """Return what was charged from the day `since` to the day `until`, by tag or of all tasks."""
        return await self._journal.accounts.usage(since=since, until=until, tagged=tagged)

    async def usual(self, provider: str, model: str, given: Mapping[str, object] | None = None) -> UsualRun | None:
        """
        Return how long runs of a model take and what they cost; null if that is not known.

        Args:
            provider: whose model.
            model: `owner/name`.
            given: the input with its defaults. Null: any input.
        """
        history = await self._supervisor.histories.read(provider, model)
        return history.run() if given is None else history.usual(input_class(given)).run()

    async def screen(self, request: Start, offers: Sequence[Offer]) -> None:
        """
        Reject a request while its files are being uploaded, if no further file could make it valid.

        Args:
            request: the request without its files.
            offers: the files that have been announced so far.

        Raises:
            RequestError: the request is invalid, or the relay is shutting down.
        """
        await self._starter.screen(request, offers)

    async def start(
        self, request: Start, idempotency: Idempotency | None = None, *, wait_s: float | None = None
    ) -> Started:
        """
        Start a task and wait for the provider's answer. Runs to its end even if the caller is cancelled.

        The files of the request belong to the task, or are deleted if none is created. Under an idempotency key that a
        task was created under, that task is returned. A task that the provider refuses frees its key.

        Args:
            request: the request.
            idempotency: its idempotency key.
            wait_s: wait up to this many seconds for the end of the task. Then return, even if the provider has not
                answered; but not before the task exists.

        Raises:
            RequestError: the request is invalid, or the key was used for a different one. No task was created.
        """
        begun, until_s = Begun(), asyncio.get_running_loop().time() + (wait_s or 0.0)
        starting = self._background.start(self._starter.start(request, idempotency, begun))
        if wait_s is None:
            return await asyncio.shield(starting)
        started = await self._waits.until_started(starting, begun, until_s)
        if started is None:
            return Started(snapshot=await self.snapshot(begun.task or ""))
        if isinstance(started.refusal, UpstreamUnclear) or started.refusal is None:
            started = replace(started, snapshot=await self._wait(started.snapshot.id, until_s))
        return started

    async def repeat(self, task: str, again: Again, kept: Collection[str]) -> Repeated:
        """
        Return the request that runs a task again.

        Args:
            task: the earlier task.
            again: the edits.
            kept: its uploaded files that the archive has, by their parts.

        Raises:
            RequestError: there is no such task, or it cannot be run again.
        """
        snapshot, stored = await self.snapshot(task), await self.stored_task(task)
        return Repeated(request=repeat(stored, again, kept), files=reused_files(stored, again), earlier=snapshot)

    async def attach(self, request: Attach) -> Started:
        """
        Attach to a task that was started outside this relay. Runs to its end even if the caller is cancelled.

        Raises:
            RequestError: the platform has no such task.
            UpstreamError: the platform could not be called.
        """
        return await self._background.run(self._attacher.attach(request))

    async def cancel(self, task: str, by: str) -> Snapshot:
        """
        Ask the platform to stop a task. Runs to its end even if the caller is cancelled.

        Returns:
            The state after the platform was called, or, if another node follows the task, after that has noted the
            cancel. `done` follows when the platform confirms.

        Raises:
            RequestError: there is no such task, it has ended, or its provider cannot stop tasks.
            UpstreamError: the platform cannot stop it, or could not be called.
        """
        return await self._background.run(self._cancel(task, by))

    async def delete(self, task: str, *, cancel: bool, upstream: bool) -> None:
        """
        Delete a task with all its data. Runs to its end even if the caller is cancelled.

        Args:
            task: by id. One that was deleted before stays deleted.
            cancel: whether to cancel it first, if it has not ended.
            upstream: whether to delete the platform's copy, too.

        Raises:
            RequestError: there is no such task, it has not ended, or the platform's copy cannot be deleted.
            UpstreamError: the platform could not be called, or refused. The task was not deleted.
        """
        await self._background.run(self._deleter.delete(task, cancel=cancel, upstream=upstream))

    async def delete_tagged(self, tag: str, *, cancel: bool, upstream: bool) -> Report:
        """Delete all tasks of a tag, as `delete` does; return what became of them."""
        return await self._background.run(self._deleter.delete_tagged(tag, cancel=cancel, upstream=upstream))

    async def call_back(
        self, provider: str, hook: str, headers: Mapping[str, str], read: Callable[[], Awaitable[bytes]]
    ) -> None:
        """
        Handle a platform's callback: read the task's record, regardless of what the callback says.

        Args:
            provider: the provider in the callback address.
            hook: the secret in the callback address.
            headers: of the request.
            read: reads the body. Called only if the secret is known.

        Raises:
            RequestError: the address is unknown, or the callback is not from the platform.
        """
        task = await self._journal.find_hook(provider, hook)
        if task is None or provider not in self._providers:
            raise RequestError(Code.NOT_FOUND, "Unknown callback address.")
        named = self._providers[provider].verify_callback(headers, await read())
        if (follower := self._supervisor.get(task)) is not None and not follower.closed:
            follower.called_back(named)
        elif self._journal.shared:
            await call_back_elsewhere(self._journal, task, named)

    async def snapshot(self, task: str) -> Snapshot:
        """
        Return a task's committed state.

        Raises:
            RequestError: there is no such task.
        """
        return await self._supervisor.snapshot(task)

    async def wait(self, task: str, wait_s: float) -> Snapshot:
        """
        Return a task's committed state when it has ended, or after `wait_s` seconds, or when the relay shuts down.

        Raises:
            RequestError: there is no such task.
        """
        return await self._wait(task, asyncio.get_running_loop().time() + wait_s)

    def check_receiver(self, subscription: Subscription) -> None:
        """
        Check that a caller may name a receiver of webhooks.

        Raises:
            RequestError: the settings do not allow it.
        """
        self._supervisor.check_receiver(subscription)

    def feed(self, task: str, *, pause_s: float) -> AsyncIterator[Snapshot | Sequence[Event]]:
        """Return the state of a task and what follows it, as `relay.tasks.feed` does."""
        return feed(self._journal, task, pause_s=pause_s)

    async def stored_task(self, task: str) -> StoredTask:
        """
        Return what is stored for a task in addition to its log.

        Raises:
            RequestError: there is no such task.
        """
        if (stored := await self._journal.stored_task(task)) is None:
            raise await absence(self._journal.deletions, task)
        return stored

    @property
    def epoch(self) -> str:
        """The journal's epoch, the first part of a cursor."""
        return self._journal.epoch

    async def events(self, task: str, *, after: int, limit: int) -> History:
        """Return committed events with a seq above `after`, oldest first, at most `limit`."""
        return await self._journal.read(task, after=after, limit=limit)

    async def check_store(self) -> str | None:
        """Check that the store is usable. Return what is wrong, without secrets, or None."""
        return await self._journal.check()

    async def _wait(self, task: str, until_s: float) -> Snapshot:
        return await self._waits.until_ended(task, until_s) or await self.snapshot(task)

    async def _cancel(self, task: str, by: str) -> Snapshot:
        follower, snapshot = self._supervisor.get(task), await self.snapshot(task)
        provider = self._providers.get(snapshot.provider)
        if follower is None and (snapshot.done is not None or provider is None or not self._journal.shared):
            state = snapshot.state if snapshot.done else "not followed by this relay"
            raise RequestError(Code.CONFLICT, f"The task cannot be canceled: it is {state}.")
        if provider is not None and not provider.stops:
            raise RequestError(Code.CONFLICT, f"The task cannot be canceled: {provider.name} cannot stop tasks.")
        if follower is not None:
            with suppress(Fenced):
                await follower.cancel(by)
                return follower.snapshot
        await cancel_elsewhere(self._journal, task, by)
        return await self.snapshot(task)
