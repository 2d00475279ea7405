"""Starts a task: checks the request once, stores what was checked, and waits until the provider has answered."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from weakref import WeakValueDictionary

from relay.catalogue.check import Offer
from relay.core.budgets import Budgets
from relay.core.events import Cost, State
from relay.core.history.input_class import input_class
from relay.core.snapshot import Snapshot
from relay.core.upstream import CheckedInput
from relay.errors import Code, RequestError, UpstreamError
from relay.files.spool import Spool
from relay.journal.base import Claim, Journal, StoredTask
from relay.tasks.conversation import continue_earlier
from relay.tasks.creation import create
from relay.tasks.follower import Follower
from relay.tasks.models import Models
from relay.tasks.refused_starts import refusal
from relay.tasks.requests import Idempotency, Start
from relay.tasks.supervisor import Supervisor
from relay.tasks.turns import Begun, Turn
from relay.tasks.watching import becomes_true

CLAIM_S = 86_400.0
"""How long an idempotency key refers to the task that was created under it."""

ANSWER_S = 30.0
"""How long a request waits for the platform's answer to one under the same idempotency key on another node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A task that was started or attached to."""

    snapshot: Snapshot
    refusal: UpstreamError | None = None
    """Why the provider did not accept it, or why that is unknown. Null if it did, or if the task is queued."""
    made: bool = True
    """Whether the request created the task. False if the task existed before."""


class Starter:
    """The use case that starts tasks."""

    def __init__(
        self,
        journal: Journal,
        models: Models,
        supervisor: Supervisor,
        spool: Spool,
        clock: Callable[[], float],
        cautious_clock: Callable[[], float],
        budgets: Budgets | None = None,
    ) -> None:
        """
        Args:
            journal: stores the tasks.
            models: checks their input.
            supervisor: follows them.
            spool: holds their files.
            clock: returns unix seconds.
            cautious_clock: returns the unix seconds that have certainly passed, for the age of idempotency keys: if the
                clock jumps, a repeated request must not start a second run.
            budgets: limit what is spent; null for no limit.
        """
        self._journal = journal
        self._models = models
        self._supervisor = supervisor
        self._spool = spool
        self._clock = clock
        self._cautious_clock = cautious_clock
        self._budgets = budgets or Budgets()
        self._turns: WeakValueDictionary[str, Turn] = WeakValueDictionary()
        """By idempotency key: a second request waits for the outcome of the first."""

    async def screen(self, request: Start, offers: Sequence[Offer]) -> None:
        """
        Reject a request while its files are being uploaded, if no further file could make it valid.

        Args:
            request: the request without its files.
            offers: the files that have been announced so far.

        Raises:
            RequestError: the request is invalid, or the relay is shutting down.
        """
        self._supervisor.check_receiver(request.webhook)
        provider = self._provider(request, offers)
        await self._models.screen(provider, request.model, request.input, offers)

    async def start(self, request: Start, idempotency: Idempotency | None, begun: Begun) -> Started:
        """
        Start a task, or return the one that was created under the idempotency key.

        Args:
            request: the request.
            idempotency: the idempotency key.
            begun: told which task answers the request. It may be cancelled while that is known and not its own.

        Raises:
            RequestError: the request is invalid, or the key was used for a different one. No task was created.
        """
        turn = Turn() if idempotency is None else self._turns.setdefault(idempotency.key, Turn())
        async with AsyncExitStack() as unless_created:
            unless_created.push_async_callback(self._spool.release, request.files)
            async with turn.taken(begun):
                follower = None
                while follower is None:  # null: another node has just created a task under the key
                    if idempotency is not None and (known := await self._find(idempotency, begun)) is not None:
                        return Started(snapshot=known, made=False)
                    follower = await self._create(request, idempotency)
                unless_created.pop_all()  # the files belong to the task now
                begun.created(follower.snapshot.id)
                turn.created(follower.snapshot.id)
                refusal = await asyncio.shield(follower.submitted)
                return Started(snapshot=follower.snapshot, refusal=refusal)

    async def _find(self, idempotency: Idempotency, begun: Begun) -> Snapshot | None:
        """
        Return the task that was created under a key, unless that was too long ago.

        If another node has just created it, wait until the platform has answered. A task that was refused then has
        freed the key.
        """
        claim = await self._claim(idempotency)
        if claim is None or claim.at < self._expired_before():
            return None
        if claim.digest != idempotency.digest:
            raise RequestError(Code.CONFLICT, "This Idempotency-Key was used for a different request.")
        task = claim.task
        if self._journal.shared and self._supervisor.get(task) is None:

            async def answered() -> bool:
                return (await self._supervisor.snapshot(task)).state is not State.SUBMITTING

            begun.found(task)
            await becomes_true(answered, self._journal, (task,), ANSWER_S)
            begun.forget()
            if await self._claim(idempotency) != claim:
                return None
        return await self._supervisor.snapshot(task)

    async def _claim(self, idempotency: Idempotency) -> Claim | None:
        claim = await self._journal.find_claim(idempotency.key)
        if claim is None and idempotency.unscoped:
            claim = await self._journal.find_claim(idempotency.unscoped)
        return claim

    def _expired_before(self) -> float:
        return self._cautious_clock() - CLAIM_S

    async def _create(self, request: Start, idempotency: Idempotency | None) -> Follower | None:
        """Create and follow a task. Return null if another one holds the key."""
        self._supervisor.check_receiver(request.webhook)
        offers = [Offer(input=file.input, content_type=file.content_type) for file in request.files]
        provider = self._provider(request, offers)
        if request.verbatim:
            given = self._models.unchecked(provider, request.model, request.input)
        else:
            given = await self._models.check(provider, request.model, request.input, offers)
        checked = await continue_earlier(self._journal, self._models.provider_named(provider), given, request.tag)
        self._supervisor.check_open()  # a request to the platform for the model's inputs can take seconds
        await self._supervisor.admission(provider).queue.check_room()
        estimate = await self._estimate(provider, request.model, checked)
        now = self._clock()
        stored = StoredTask(
            id=self._supervisor.new_id(),
            provider=provider,
            model=request.model,
            created_at=now,
            tags=request.tags,
            title=request.title,
            input=request.input,
            checked=checked,
            files=request.files,
            metadata=request.metadata,
            hook=self._supervisor.new_id(),
            webhook=request.webhook,
            started_by=request.started_by,
            traceparent=request.traceparent,
            estimate=estimate,
        )
        claim = None
        if idempotency is not None:
            claim = Claim(key=idempotency.key, digest=idempotency.digest, task=stored.id, at=now)
        with self._supervisor.creating(stored.id):
            snapshot, created = await create(
                self._journal,
                stored,
                claim=claim,
                expired_before=self._expired_before(),
                limits=(*request.limits, *self._budgets.limits(request.started_by, now)),
            )
            if created.exceeded is not None:
                raise refusal(created.exceeded, estimate, now, tag=request.tag)
            if created.winner is not None:
                return None
            self._supervisor.counts.started[provider,] += 1
            return self._supervisor.follow(stored, snapshot, send_until_s=created.send_until_s)

    async def _estimate(self, provider: str, model: str, checked: CheckedInput) -> Cost | None:
        """Return what a run will probably cost at most; null if that is not known."""
        history = await self._supervisor.histories.read(provider, model)
        run = history.usual(input_class(checked.input)).run()
        return None if run is None or run.cost is None else Cost(amount=run.cost.p90, unit=run.cost.unit)

    def _provider(self, request: Start, offers: Sequence[Offer]) -> str:
        self._supervisor.check_open()
        file_input = offers[0].input if offers else None
        return self._models.provider_for(request.model, request.provider, file_input=file_input)
