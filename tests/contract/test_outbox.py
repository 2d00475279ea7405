"""The contract of an outbox (relay/journal/outbox.py), tested with every backend."""

from collections.abc import Collection
from pathlib import Path

import pytest

from relay.core.events import Event, Log, LogOutput, Source, State, Submit
from relay.journal.base import Journal, StoredTask, Subscription
from relay.journal.outbox import Claimed, Delivery, DeliveryFilter, Outcome, Status, Webhook
from relay.journal.sqlite import SQLiteJournal

URL = "https://shop.example.com/hook"
OTHER = "https://other.example.com/hook"
AGAIN_S = 3600.0


def event(task: str, seq: int) -> Event:
    data = LogOutput(log=Log(stream="stdout", text="x"))
    return Event(type="output", task=task, seq=seq, state=State.RUNNING, at=100.0, source=Source.LIVE, data=data)


async def create(journal: Journal, *tasks: str, webhook: Subscription | None = None) -> None:
    for task in tasks:
        record = StoredTask(
            id=task, provider="wiro", model="o/m", created_at=1.5, input={}, metadata={}, webhook=webhook
        )
        data = Submit(model="o/m", provider="wiro", tags=())
        first = Event(type="submit", task=task, seq=1, state=State.SUBMITTING, at=1.5, source=Source.RELAY, data=data)
        await journal.create(record, first)


def hook(task: str, name: str, url: str = URL) -> Webhook:
    return Webhook(id=name, task=task, url=url, type="task.stage", body=b'{"\xc3\xa9":"\\u0000"}', created_at=7.25)


async def claim(journal: Journal, held: Collection[str] = (), *, per_url: int = 5, limit: int = 100) -> Claimed:
    return await journal.outbox.claim(held, per_url=per_url, limit=limit)


def names(claimed: Claimed) -> list[str]:
    return [each.webhook.id for each in claimed.deliveries]


def outcome(status: Status = Status.DELIVERED, answer: str = "HTTP 200", again_in_s: float = 0.0) -> Outcome:
    return Outcome(status=status, answer=answer, tried_at=8.5, again_in_s=again_in_s)


async def statuses(journal: Journal, **conditions: object) -> dict[str, Status]:
    where = DeliveryFilter(**conditions)  # type: ignore[arg-type]
    page = await journal.outbox.page(where, before=None, limit=100)
    return {each.webhook.id: each.status for each in page}


async def test_webhooks_are_stored_with_their_events_and_only_then(journal: Journal) -> None:
    """A refused append stores none of them; several tasks are independent."""
    await create(journal, "a", "b")
    await journal.append([event("a", 2)], webhooks=[hook("a", "a1"), hook("a", "a2"), hook("a", "a3", OTHER)])
    with pytest.raises(ValueError, match="not the next"):
        await journal.append([event("b", 3)], webhooks=[hook("b", "b1")])

    claimed = await claim(journal)

    assert sorted(names(claimed)) == ["a1", "a3"]
    first = next(each for each in claimed.deliveries if each.webhook.id == "a1")
    assert first == Delivery(
        number=first.number,
        webhook=hook("a", "a1"),
        status=Status.SENDING,
        attempts=0,
        failures=0,
        since=7.25,
        tried_at=None,
        answer=None,
        next_in_s=None,
    )
    assert claimed.next_in_s is None


async def test_the_webhooks_of_a_task_to_one_url_are_sent_one_after_the_other(journal: Journal) -> None:
    """The next one is due when the one before has been delivered or has failed; others do not wait for it."""
    await create(journal, "a", "b")
    await journal.append([event("a", 2)], webhooks=[hook("a", "a1")])
    assert names(await claim(journal)) == ["a1"]
    await journal.append([event("a", 3)], webhooks=[hook("a", "a2"), hook("a", "a3")])
    await journal.append([event("b", 2)], webhooks=[hook("b", "b1")])

    assert names(await claim(journal, ["a1"])) == ["b1"]
    await journal.outbox.settle("a1", outcome())
    assert names(await claim(journal, ["b1"])) == ["a2"]
    await journal.outbox.settle("a2", outcome(Status.FAILED, "HTTP 500"))
    assert names(await claim(journal, ["b1"])) == ["a3"]
    await journal.outbox.settle("a3", outcome())
    await journal.append([event("a", 4)], webhooks=[hook("a", "a4")])
    assert names(await claim(journal, ["b1"])) == ["a4"]


async def test_a_failed_attempt_is_repeated_when_it_is_due(journal: Journal) -> None:
    """It counts, and nothing behind it is sent before."""
    await create(journal, "a")
    await journal.append([event("a", 2)], webhooks=[hook("a", "a1"), hook("a", "a2")])
    for failures in range(3):
        (found,) = (await claim(journal)).deliveries
        assert (found.webhook.id, found.attempts, found.failures) == ("a1", failures, failures)
        await journal.outbox.settle("a1", outcome(Status.PENDING, "HTTP 500"))
    await claim(journal)
    await journal.outbox.settle("a1", outcome(Status.PENDING, "timed out", AGAIN_S))

    later = await claim(journal)

    assert later.deliveries == ()
    assert later.next_in_s is not None
    assert AGAIN_S - 60 < later.next_in_s <= AGAIN_S
    page = await journal.outbox.page(DeliveryFilter(), before=None, limit=1)
    assert [each.webhook.id for each in page] == ["a2"]
    (waiting,) = await journal.outbox.page(DeliveryFilter(), before=page[0].number, limit=1)
    assert (waiting.answer, waiting.tried_at, waiting.attempts, waiting.failures) == ("timed out", 8.5, 4, 4)
    assert waiting.next_in_s is not None


async def test_a_receiver_stops_the_webhooks_of_a_task(journal: Journal) -> None:
    """Those behind it are stopped, too; those of another task are not."""
    await create(journal, "a", "b")
    await journal.append([event("a", 2)], webhooks=[hook("a", "a1"), hook("a", "a2"), hook("a", "a3", OTHER)])
    await journal.append([event("b", 2)], webhooks=[hook("b", "b1")])
    await claim(journal)
    await journal.outbox.settle("a1", outcome(Status.STOPPED, "HTTP 410"))
    stopped, sending = Status.STOPPED, Status.SENDING
    assert await statuses(journal) == {"a1": stopped, "a2": stopped, "a3": sending, "b1": sending}
    assert await statuses(journal, task="b") == {"b1": sending}
    assert await statuses(journal, status=stopped) == {"a1": stopped, "a2": stopped}


async def test_no_url_takes_the_place_of_another(journal: Journal) -> None:
    """A limit counts what is being sent to a URL; URLs to which the least is being sent come first."""
    tasks = [f"t{number}" for number in range(6)]
    await create(journal, *tasks)
    for task in tasks:
        await journal.append([event(task, 2)], webhooks=[hook(task, f"{task}-slow")])
    first = await claim(journal, per_url=2)
    assert names(first) == ["t0-slow", "t1-slow"]
    await journal.append([event("t5", 3)], webhooks=[hook("t5", "t5-other", OTHER)])
    held = names(first)

    assert names(await claim(journal, held, per_url=5, limit=1)) == ["t5-other"]
    assert names(await claim(journal, [*held, "t5-other"], per_url=3)) == ["t2-slow"]


async def test_a_claim_whose_answer_was_lost_is_made_again(journal: Journal) -> None:
    """The node that does not send a webhook says so, and its late outcome counts for nothing."""
    await create(journal, "a", "b")
    await journal.append([event("a", 2)], webhooks=[hook("a", "a1")])
    await journal.append([event("b", 2)], webhooks=[hook("b", "b1")])
    assert sorted(names(await claim(journal))) == ["a1", "b1"]
    assert names(await claim(journal, ["b1"])) == ["a1"]
    await journal.outbox.settle("a1", outcome())
    await journal.outbox.settle("a1", outcome(Status.FAILED))
    await journal.outbox.settle("unknown", outcome())
    assert await statuses(journal) == {"a1": Status.DELIVERED, "b1": Status.SENDING}


async def test_a_webhook_can_be_sent_again(journal: Journal) -> None:
    """Whatever became of it; if others of its queue are under way, it comes after the one that is being sent."""
    await create(journal, "a")
    await journal.append([event("a", 2)], webhooks=[hook("a", "a1"), hook("a", "a2"), hook("a", "a3")])
    await claim(journal)
    await journal.outbox.settle("a1", outcome())
    await claim(journal)

    queued = await journal.outbox.again("a1", 50.0)
    assert queued is not None
    assert (queued.status, queued.since, queued.attempts, queued.failures) == (Status.QUEUED, 50.0, 1, 0)
    await journal.outbox.settle("a2", outcome(Status.PENDING, "HTTP 500", AGAIN_S))
    at_once = await journal.outbox.again("a2", 51.0)
    assert at_once is not None
    assert at_once.next_in_s == 0.0
    for name in ("a2", "a1", "a3"):
        assert names(await claim(journal)) == [name]
        await journal.outbox.settle(name, outcome())
    last = await journal.outbox.again("a3", 52.0)
    assert last is not None
    assert last.status is Status.PENDING
    assert names(await claim(journal)) == ["a3"]
    assert await journal.outbox.again("unknown", 52.0) is None


async def test_a_webhook_that_is_under_way_is_not_sent_twice(journal: Journal) -> None:
    """One that is being sent, and one that waits for it, stay as they are."""
    await create(journal, "a")
    await journal.append([event("a", 2)], webhooks=[hook("a", "a1"), hook("a", "a2")])
    await claim(journal)

    for name, status in (("a1", Status.SENDING), ("a2", Status.QUEUED)):
        unchanged = await journal.outbox.again(name, 50.0)
        assert unchanged is not None
        assert unchanged.status is status
        assert unchanged.since != 50.0
    assert names(await claim(journal, ["a1"])) == []


async def test_webhooks_are_added_without_an_event_and_once(journal: Journal) -> None:
    """An id that is stored, and a task that does not exist, add nothing."""
    await create(journal, "a")
    await journal.outbox.add([hook("a", "a1"), hook("gone", "x1")])
    await journal.outbox.add([hook("a", "a1"), hook("a", "a2")])
    assert await statuses(journal) == {"a1": Status.PENDING, "a2": Status.QUEUED}
    assert names(await claim(journal)) == ["a1"]


async def test_webhooks_are_deleted_with_their_task(journal: Journal) -> None:
    """A late outcome changes nothing."""
    await create(journal, "a", "b")
    await journal.append([event("a", 2)], webhooks=[hook("a", "a1"), hook("a", "a2")])
    await journal.append([event("b", 2)], webhooks=[hook("b", "b1")])
    await claim(journal)
    done = Event(
        type="done",
        task="a",
        seq=3,
        state=State.FAILED,
        at=9.0,
        source=Source.LIVE,
        data=LogOutput(log=Log(stream="stdout", text="")),
    )
    await journal.append([done])
    assert await journal.prune(ended_before=1000.0, limit=10) == ("a",)
    await journal.outbox.settle("a1", outcome())
    assert await statuses(journal) == {"b1": Status.SENDING}


async def test_the_subscription_of_a_task_is_stored(journal: Journal) -> None:
    """With the rest of its record."""
    subscription = Subscription(url=URL, events=("task.done",))
    await create(journal, "a", webhook=subscription)
    stored = await journal.stored_task("a")
    assert stored is not None
    assert stored.webhook == subscription


async def test_a_restart_sends_at_once_what_has_not_been_delivered(tmp_path: Path) -> None:
    """What was being sent, and what was to be sent later."""
    journal = SQLiteJournal(tmp_path / "relay.db")
    await journal.open(lock=True)
    await create(journal, "a", "b")
    await journal.append([event("a", 2)], webhooks=[hook("a", "a1"), hook("a", "a2")])
    await journal.append([event("b", 2)], webhooks=[hook("b", "b1")])
    await claim(journal)
    await journal.outbox.settle("a1", outcome(Status.PENDING, "HTTP 500", AGAIN_S))
    await journal.close()

    again = SQLiteJournal(tmp_path / "relay.db")
    await again.open(lock=True)
    assert sorted(names(await claim(again))) == ["a1", "b1"]
    await again.close()


async def test_the_backlog_is_what_is_not_settled(journal: Journal) -> None:
    """Also what waits behind another one, and what is being sent."""
    await create(journal, "a")
    assert await journal.outbox.backlog() == 0
    await journal.append([event("a", 2)], webhooks=[hook("a", "a1"), hook("a", "a2")])
    assert await journal.outbox.backlog() == 2
    await claim(journal)
    assert await journal.outbox.backlog() == 2
    await journal.outbox.settle("a1", outcome())
    assert await journal.outbox.backlog() == 1
