"""Webhooks reach their receivers: in order per task, each at least once, whatever the receivers do."""

import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from relay.core.events import Began, Data, Done, Event, Source, Stage, State, Submit, Submitted
from relay.core.snapshot import begin
from relay.errors import StoreError
from relay.journal.base import Journal, StoredTask
from relay.journal.memory import MemoryJournal
from relay.journal.outbox import Delivery, DeliveryFilter, Outcome, Status
from relay.journal.sqlite import SQLiteJournal
from relay.net.webhook_signature import read_secret
from relay.webhooks import courier as courier_module
from relay.webhooks.courier import Courier
from relay.webhooks.receivers import Receivers
from relay.webhooks.schedule import GIVE_UP_S
from relay.webhooks.sender import Sender
from relay.webhooks.webhooks import Webhooks
from tests.webhooks.receiver import SECRET, Receiver, answer, cut, hang

WHOLE = ["task.started", *["task.stage"] * 3, "task.done"]


def quick(_failures: int, *, asked_s: float | None = None) -> float:
    """Try again at once, or a minute later if the receiver asks for that."""
    return 60.0 if asked_s else 0.0


class Story:
    """A journal whose tasks are followed by nobody: the test writes their logs."""

    def __init__(self, journal: Journal, webhooks: Webhooks) -> None:
        self.journal = journal
        self.webhooks = webhooks

    async def play(self, task: str) -> None:
        """Write a whole log, one commit per event."""
        stored = StoredTask(id=task, provider="wiro", model="o/m", created_at=1.0, input={}, metadata={})
        data = Submit(model="o/m", provider="wiro", tags=())
        steps: list[tuple[str, Data, State]] = [
            ("submitted", Submitted(upstream_id=task), State.QUEUED),
            *((stage, Began(), State.QUEUED) for stage in (Stage.QUEUE, Stage.ACCEPT, Stage.START)),
            ("done", Done(verdict="succeeded"), State.SUCCEEDED),
        ]
        first = Event(type="submit", task=task, seq=1, state=State.SUBMITTING, at=1.0, source=Source.RELAY, data=data)
        await self.journal.create(stored, first)
        state = begin(first, self.journal.epoch)
        for seq, (kind, step, after) in enumerate(steps, 2):
            event = Event(type=kind, task=task, seq=seq, state=after, at=1.0, source=Source.LIVE, data=step)
            made = self.webhooks.about(stored, state, [event])
            await self.journal.append([event], webhooks=made)
            known = await self.journal.snapshot(task)
            assert known is not None
            state = known
            self.webhooks.wake()


Open = Callable[..., Any]


@asynccontextmanager
async def delivering(
    journal: Journal,
    *receivers: str,
    timeout_s: float = 5.0,
    pause: Callable[..., float] = quick,
    cautious_clock: Callable[[], float] = time.time,
) -> AsyncIterator[Story]:
    """Deliver what a journal has to these URLs during the block."""
    known = Receivers(urls=receivers)
    webhooks = Webhooks(journal, known, time.time)
    async with AsyncExitStack() as opened:
        sender = Sender(known, [read_secret(SECRET)], time.time, timeout_s=timeout_s)
        await opened.enter_async_context(sender)
        await opened.enter_async_context(
            Courier(journal, webhooks, sender, clock=time.time, cautious_clock=cautious_clock, pause=pause)
        )
        yield Story(journal, webhooks)


@pytest.fixture
async def journal() -> AsyncIterator[Journal]:
    opened = MemoryJournal()
    await opened.open(lock=True)
    yield opened
    await opened.close()


@pytest.fixture
def settled(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Awaitable[None]]:
    """Wait until a condition holds. It is checked after each outcome that the journal has stored."""
    outbox, stored = journal.outbox, asyncio.Event()
    settle = outbox.settle

    async def noting(webhook: str, outcome: Outcome) -> None:
        await settle(webhook, outcome)
        stored.set()

    async def until(condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(60):
            while not await condition():
                stored.clear()
                await stored.wait()

    monkeypatch.setattr(outbox, "settle", noting)
    return until


Settled = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


async def deliveries(journal: Journal, status: Status | None = None) -> tuple[Delivery, ...]:
    return await journal.outbox.page(DeliveryFilter(status=status), before=None, limit=1000)


@pytest.mark.parametrize("seed", range(3))
async def test_every_webhook_arrives_in_order_whatever_the_receivers_do(seed: int, tmp_path: Path) -> None:
    """They time out, answer 500, drop connections and restart; the relay restarts, too, and loses nothing."""
    chance = random.Random(seed)
    tasks = [f"t{number}" for number in range(8)]
    path = tmp_path / "relay.db"
    async with AsyncExitStack() as opened:
        receivers = [await opened.enter_async_context(Receiver()) for _ in range(2)]
        first, urls = receivers[0], [each.url for each in receivers]
        for each in receivers:
            each.next.extend(chance.choices([hang, cut, answer(500), answer(302), answer(200)], k=25))
        for some in (tasks[:4], tasks[4:]):
            journal = SQLiteJournal(path)
            await journal.open(lock=True)
            async with delivering(journal, *urls, timeout_s=0.1) as story:
                await asyncio.gather(*map(story.play, some))
                await first.until(lambda: len(first.accepted) > 3)
                await first.__aexit__()  # it restarts on the same port
                await first.__aenter__()
            await journal.close()
        last = SQLiteJournal(path)
        await last.open(lock=True)
        async with delivering(last, *urls, timeout_s=5.0):
            for each in receivers:
                each.next.clear()
                await each.until(lambda each=each: all(each.of(task)[-1:] == WHOLE[-1:] for task in tasks))  # type: ignore[misc]
        for each in receivers:
            for task in tasks:
                seqs = [body["data"]["seq"] for body in each.accepted if body["data"]["id"] == task]
                assert seqs == sorted(seqs)
                assert sorted(set(seqs)) == [2, 3, 4, 5, 6]
        await last.close()


async def test_one_slow_receiver_delays_no_other(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has its own places; the other receiver gets everything meanwhile."""
    monkeypatch.setattr(courier_module, "AT_ONCE", 7)
    async with Receiver() as slow, Receiver() as fast:
        slow.next.extend([hang] * 1000)
        async with delivering(journal, slow.url, fast.url, timeout_s=60.0) as story:
            tasks = [f"t{number}" for number in range(20)]
            for task in tasks:
                await story.play(task)
            await fast.until(lambda: all(fast.of(task) == WHOLE for task in tasks))
            assert 1 <= slow.most_at_once <= courier_module.PER_URL
            assert slow.accepted == []


async def test_a_receiver_that_is_gone_is_asked_once(journal: Journal, settled: Settled) -> None:
    """410 ends what waits behind it, too."""
    async with Receiver() as receiver:
        receiver.next.extend([answer(410)] * 100)
        async with delivering(journal, receiver.url) as story:
            await story.play("a")

            async def all_ended() -> bool:
                return all(each.status.ended for each in await deliveries(journal))

            await settled(all_ended)
        found = await deliveries(journal)
        assert {each.status for each in found} == {Status.STOPPED}
        assert {each.answer for each in found} == {"HTTP 410"}


async def test_a_webhook_is_given_up_after_a_day(journal: Journal, settled: Settled) -> None:
    """By a clock that does not jump; the next one of the task is tried at least once."""
    now = time.time()
    async with Receiver() as receiver:
        receiver.next.extend([answer(500)] * 1000)
        async with delivering(journal, receiver.url, cautious_clock=lambda: now) as story:
            await story.play("a")
            await receiver.until(lambda: len(receiver.paths) >= 10)
            assert {each.status for each in await deliveries(journal)} & {Status.FAILED} == set()
            now += GIVE_UP_S + 1

            async def all_failed() -> bool:
                return len(await deliveries(journal, Status.FAILED)) == len(WHOLE)

            await settled(all_failed)
        assert len(receiver.attempts) == len(WHOLE)
        assert receiver.accepted == []


async def test_retry_after_is_respected_and_again_does_not_wait(journal: Journal, settled: Settled) -> None:
    """An operator can have a webhook sent at once."""
    async with Receiver() as receiver:
        receiver.next.append(answer(503, Retry_After="60"))
        async with delivering(journal, receiver.url) as story:
            await story.play("a")

            async def is_tried() -> bool:
                return any(each.attempts for each in await deliveries(journal))

            await settled(is_tried)
            (waiting,) = await deliveries(journal, Status.PENDING)
            assert waiting.next_in_s is not None
            assert waiting.next_in_s > 30
            await story.webhooks.again(waiting.webhook.id)
            await receiver.until(lambda: receiver.of("a") == WHOLE)

            async def all_delivered() -> bool:
                return len(await deliveries(journal, Status.DELIVERED)) == len(WHOLE)

            await settled(all_delivered)
            delivered = (await deliveries(journal))[0]
            await story.webhooks.again(delivered.webhook.id)
            await receiver.until(lambda: receiver.attempts[delivered.webhook.id] == 2)


async def test_an_announcement_is_delivered_once_however_often_it_is_made(journal: Journal) -> None:
    """As by a background job that repeats its last step."""
    async with Receiver() as receiver, delivering(journal, receiver.url) as story:
        await story.play("a")
        for _ in range(3):
            await story.webhooks.announce("a", "task.archived")
        await story.webhooks.announce("unknown", "task.archived")
        await receiver.until(lambda: receiver.of("a") == [*WHOLE, "task.archived"])
        assert receiver.accepted[-1]["data"]["state"] == "succeeded"


async def test_a_store_that_fails_delays_deliveries_and_repeats_none(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outcome that cannot be stored is kept until it can."""
    monkeypatch.setattr(courier_module, "full_jitter", lambda _failures: 0.0)
    outbox = journal.outbox
    settle, claim = outbox.settle, outbox.claim
    failures = itertools.count()

    async def failing_settle(webhook: str, outcome: Outcome) -> None:
        if next(failures) % 3:
            raise StoreError("the disk is full")
        await settle(webhook, outcome)

    async def failing_claim(*given: Any, **more: Any) -> Any:
        if next(failures) % 2:
            raise StoreError("the disk is full")
        return await claim(*given, **more)

    monkeypatch.setattr(outbox, "settle", failing_settle)
    monkeypatch.setattr(outbox, "claim", failing_claim)
    async with Receiver() as receiver, delivering(journal, receiver.url) as story:
        await story.play("a")
        await receiver.until(lambda: receiver.of("a") == WHOLE)
        assert set(receiver.attempts.values()) == {1}
