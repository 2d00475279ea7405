"""
The use cases: start a task, attach to one that somebody else started, list tasks, cancel one, hear a callback.

Who may do what is decided before, in `relay.web`. Whatever changes something goes on when its caller goes away.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from weakref import WeakValueDictionary

from relay.catalogue.check import Offer
from relay.core.lifecycle import submit
from relay.core.signals import Record
from relay.core.snapshot import Snapshot
from relay.core.timeline import first_moment
from relay.core.upstream import UpstreamTask
from relay.errors import Code, FieldError, RequestError, StoreDamaged, UpstreamError
from relay.files.spool import Spool
from relay.journal.base import Claim, Filter, Journal, ListPosition, StoredTask
from relay.providers.base import Provider
from relay.tasks.models import Models
from relay.tasks.requests import Attach, Idempotency, Start
from relay.tasks.supervisor import Following

LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
WORD_LENGTH = 26
"""130 random bits: a task's id and its hook are unguessable, URL-safe, and survive being read aloud."""

CLAIM_S = 86_400.0
"""How long an idempotency key means the task that it made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """
    There is a task.

    `refusal` is null if the upstream took it or it waits for a place, else why it did not, or why that is not known.
    `made` is false where the task was there before.
    """

    snapshot: Snapshot
    refusal: UpstreamError | None = None
    made: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A stretch of the list, newest first; `next` is where the next one begins, null at the end."""

    snapshots: tuple[Snapshot, ...]
    next: ListPosition | None


class Tasks:
    """What can be done with tasks."""

    def __init__(
        self,
        journal: Journal,
        providers: Mapping[str, Provider],
        models: Models,
        following: Following,
        spool: Spool,
        clock: Callable[[], float],
        cautious_clock: Callable[[], float],
    ) -> None:
        """
        Args:
            journal: open, and open for as long as this is.
            providers: by name; the first is the one that is used when nobody names one.
            models: judges what a task is to be started with.
            following: follows the tasks that are made.
            spool: has the files that tasks are started with.
            clock: gives unix seconds.
            cautious_clock: the same, for what is forgotten for good: a clock that jumps must start no run twice.
        """
        self._journal = journal
        self._providers = providers
        self._models = models
        self._following = following
        self._spool = spool
        self._clock = clock
        self._cautious_clock = cautious_clock
        self.draining = False
        """Set once, when the relay begins to shut down."""
        self._starting: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """By idempotency key; a lock lives for as long as somebody holds it or waits for it."""

    def __repr__(self) -> str:
        return f"<Tasks {self._following!r}>"

    @property
    def following(self) -> int:
        return len(self._following)

    async def drain(self, within_s: float) -> None:
        """Take no new tasks, and give the submissions under way `within_s` to be answered."""
        self.draining = True
        await self._following.drain(within_s)

    async def start(self, wish: Start, idempotency: Idempotency | None = None) -> Started:
        """
        Start a task and wait until it is known what became of that. Goes on to the end if the caller is cancelled.

        Its files are the new task's, or are thrown away if none is made. Under an idempotency key that made a task
        before, that task is the answer; the key of a refused one is free.

        Raises:
            RequestError: the wish cannot be fulfilled, and nothing was made; or the key was used for another wish.
        """
        return await self._following.shielded(self._start_or_release(wish, idempotency))

    async def check(self, wish: Start, offers: Sequence[Offer], *, more: bool = True) -> str:
        """
        See whether a task could be started of a wish, as far as it is known, and return by which provider.

        Args:
            wish: all but its files.
            offers: the files that have come, or begin to.
            more: whether others may follow.

        Raises:
            RequestError: it cannot, whatever else may come.
        """
        provider = self._provider(wish.provider or self._models.provider_of(wish.model))
        if offers and not self._providers[provider].takes_files:
            wrong = FieldError(field=f"input.{offers[0].input}", message=f"{provider} takes no files; give an address")
            raise RequestError(Code.INVALID_INPUT, f"{provider} takes no files; give addresses.", fields=(wrong,))
        await self._models.check(provider, wish.model, wish.input, offers, more=more)
        self._check_open()  # asking what a model takes can last
        return provider

    async def attach(self, wish: Attach) -> Started:
        """
        Follow a task that somebody else started, at any stage. Goes on to the end if the caller is cancelled.

        Raises:
            RequestError: there is no such task upstream.
            UpstreamError: it could not be asked for.
        """
        return await self._following.shielded(self._attach(wish))

    async def cancel(self, task: str, by: str) -> Snapshot:
        """
        Stop a task. Goes on if the caller is cancelled. May be called again while the task runs.

        Returns:
            The state once the upstream was asked; `done` comes later, when it confirms.

        Raises:
            RequestError: there is no such task, it has ended, or its provider cannot stop any.
            UpstreamError: the upstream cannot stop it, or could not be asked.
        """
        return await self._following.shielded(self._cancel(task, by))

    async def call_back(
        self, provider: str, hook: str, headers: Mapping[str, str], read: Callable[[], Awaitable[bytes]]
    ) -> None:
        """
        Hear that the upstream called back for a task. What it said of it is no matter: the record is read anew.

        Args:
            provider: whose callback it claims to be.
            hook: the word in its address.
            headers: of the call.
            read: reads the body; asked only if the word is a task's.

        Raises:
            RequestError: no task has this hook, or whoever called is not the upstream.
        """
        task = await self._journal.find_hook(provider, hook)
        if task is None or provider not in self._providers:
            raise RequestError(Code.NOT_FOUND, "There is no such hook.")
        named = self._providers[provider].heard(headers, await read())
        if (follower := self._following.get(task)) is not None:
            await follower.nudge(named)

    async def snapshot(self, task: str) -> Snapshot:
        """
        Return a task's state as it is committed.

        Raises:
            RequestError: there is no such task.
        """
        if (snapshot := await self._known(task)) is None:
            raise RequestError(Code.NOT_FOUND, "There is no such task.")
        return snapshot

    async def record(self, task: str) -> StoredTask:
        """
        Return what is kept of a task besides its log.

        Raises:
            RequestError: there is no such task.
        """
        if (record := await self._journal.stored_task(task)) is None:
            raise RequestError(Code.NOT_FOUND, "There is no such task.")
        return record

    async def page(self, where: Filter, *, after: ListPosition | None, limit: int) -> Page:
        """Return tasks, newest first, without their log and segments; those that cannot be read are left out."""
        places = await self._journal.page(where, after=after, limit=limit + 1)
        snapshots: list[Snapshot] = []
        for place in places[:limit]:
            with suppress(StoreDamaged):  # the journal has logged it, and the others are to be seen all the same
                if (known := await self._known(place.id)) is not None:  # else it was removed meanwhile
                    snapshots.append(replace(known, log=(), segments=()))
        return Page(
            snapshots=tuple(snapshots),
            next=places[limit - 1] if len(places) > limit else None,
        )

    async def _known(self, task: str) -> Snapshot | None:
        follower = self._following.get(task)
        return await self._journal.snapshot(task) if follower is None else follower.snapshot

    async def _start_or_release(self, wish: Start, idempotency: Idempotency | None) -> Started:
        async with AsyncExitStack() as unless_made:
            unless_made.push_async_callback(self._spool.release, wish.files)
            if idempotency is None:
                return await self._start(wish, None, unless_made)
            return await self._start_once(wish, idempotency, unless_made)

    async def _start_once(self, wish: Start, idempotency: Idempotency, unless_made: AsyncExitStack) -> Started:
        # One at a time under one key: a second caller waits for what the first one's wish becomes.
        async with self._starting.setdefault(idempotency.key, asyncio.Lock()):
            claim = await self._journal.find_claim(idempotency.key)
            claim = claim or await self._journal.find_claim(idempotency.unscoped)
            if claim is None or claim.at + CLAIM_S <= self._cautious_clock():
                return await self._start(wish, idempotency, unless_made)
            if claim.digest != idempotency.digest:
                raise RequestError(Code.CONFLICT, "This Idempotency-Key was used for another request.")
            return Started(snapshot=await self.snapshot(claim.task), made=False)

    async def _start(self, wish: Start, idempotency: Idempotency | None, unless_made: AsyncExitStack) -> Started:
        offers = [Offer(input=file.input, content_type=file.content_type) for file in wish.files]
        provider = await self.check(wish, offers, more=False)
        self._following.doorway(provider).line.check_room()
        now = self._clock()
        record = StoredTask(
            id=_word(),
            provider=provider,
            model=wish.model,
            created_at=now,
            tags=wish.tags,
            input=wish.input,
            files=wish.files,
            metadata=wish.metadata,
            hook=_word(),
        )
        claim = None
        if idempotency is not None:
            claim = Claim(key=idempotency.key, digest=idempotency.digest, task=record.id, at=now)
        made = await self._make(record, claim)
        unless_made.pop_all()
        follower = self._following.follow(record, made, fresh=True)
        refusal = await asyncio.shield(follower.submitted)
        if refusal is not None and idempotency is not None and follower.snapshot.done is not None:
            await self._journal.drop_claim(idempotency.key)
        return Started(snapshot=follower.snapshot, refusal=refusal)

    async def _attach(self, wish: Attach) -> Started:
        provider = self._provider(wish.provider)
        upstream = UpstreamTask(upstream_id=wish.upstream_id, socket_token=wish.socket_token)
        asked_at = self._clock()
        detail = await self._providers[provider].read_record(upstream)
        if detail is None:
            raise RequestError(
                Code.NOT_FOUND,
                "The upstream has no task of this socket token.",
                fields=(FieldError(field="socket_token", message="the upstream does not know it"),),
            )
        upstream = replace(upstream, upstream_id=detail.upstream_id or wish.upstream_id)
        doorway, now = self._following.doorway(provider), self._clock()
        async with doorway.adopting:
            known = await self._journal.find_upstream(provider, upstream)
            if known is not None:
                return Started(snapshot=await self.snapshot(known), made=False)
            began_at = first_moment(detail, doorway.clock, asked_at=asked_at, now=now)
            return Started(snapshot=await self._adopt(wish, provider, upstream, detail, began_at))

    async def _adopt(
        self, wish: Attach, provider: str, upstream: UpstreamTask, detail: Record, began_at: float
    ) -> Snapshot:
        record = StoredTask(
            id=_word(),
            provider=provider,
            model=detail.model or "unknown",
            created_at=self._clock(),
            tags=wish.tags,
            input={},
            metadata=wish.metadata,
            upstream=upstream,
        )
        return self._following.follow(record, await self._make(record, began_at=began_at), fresh=False).snapshot

    async def _make(self, record: StoredTask, claim: Claim | None = None, *, began_at: float | None = None) -> Snapshot:
        """
        Put a new task into the journal: from then on it exists, whatever happens.

        Args:
            record: what is kept of it.
            claim: the idempotency key that it is made under.
            began_at: when it began, where that was before the relay took it on.
        """
        event, snapshot = submit(
            task=record.id,
            model=record.model,
            provider=record.provider,
            tags=record.tags,
            epoch=self._journal.epoch,
            now=record.created_at if began_at is None else began_at,
        )
        await self._journal.create(record, event, claim=claim)
        return snapshot

    async def _cancel(self, task: str, by: str) -> Snapshot:
        follower = self._following.get(task)
        if follower is None:
            snapshot = await self.snapshot(task)
            state = snapshot.state if snapshot.done else "not followed by this relay"
            raise RequestError(Code.CONFLICT, f"The task cannot be canceled: it is {state}.")
        provider = follower.snapshot.provider
        if not self._providers[provider].stops:
            raise RequestError(Code.CONFLICT, f"The task cannot be canceled: {provider} has no way to stop a task.")
        await follower.ask_cancel(by)
        return follower.snapshot

    def _check_open(self) -> None:
        if self.draining:
            raise RequestError(Code.DRAINING, "The relay is shutting down; try again in a moment.")

    def _provider(self, wished: str | None) -> str:
        self._check_open()
        name = wished or next(iter(self._providers), None)
        if name is None or name not in self._providers:
            known = ", ".join(self._providers) or "none: set WIRO_API_KEY or APIKLEY_API_KEY"
            raise RequestError(
                Code.INVALID_INPUT,
                f"There is no provider {name!r} here; configured: {known}.",
                fields=(FieldError(field="provider", message=f"one of: {known}"),),
            )
        return name


def _word() -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(WORD_LENGTH))
