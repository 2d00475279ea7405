"""The contract of the accounts of a journal (relay/journal/accounts.py), tested with every backend."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from relay.core.events import Cost, Done, Event, Source, State, Submit, Verdict
from relay.core.snapshot import begin, fold
from relay.core.spending import ALL, EVER, Limit, charge
from relay.journal.base import Claim, Created, Journal, StoredTask

NOW = 20_000 * 86_400.0 + 5_000
DAY = 20_000
TAG = "tag:user-42"
RUNNING = Limit(account=TAG, counted="running", most=3)
STARTS = Limit(account=TAG, counted="starts", most=3)


def spend(most: float, account: str = ALL, day: int | None = None) -> Limit:
    return Limit(account=account, counted="usd", most=most, day=day)


async def start(
    journal: Journal,
    task: str,
    *limits: Limit,
    tags: Sequence[str] = ("user-42",),
    key: str = "",
    estimate: Cost | None = None,
    at: float = NOW,
    claim: Claim | None = None,
) -> Created:
    stored = StoredTask(
        id=task,
        provider="wiro",
        model="o/m",
        created_at=at,
        tags=tuple(tags),
        input={},
        metadata={},
        started_by=key,
        estimate=estimate,
    )
    return await journal.create(stored, submit(task, stored.tags), limits=limits, claim=claim)


def submit(task: str, tags: tuple[str, ...]) -> Event:
    data = Submit(model="o/m", provider="wiro", tags=tags)
    return Event(type="submit", task=task, seq=1, state=State.SUBMITTING, at=NOW, source=Source.RELAY, data=data)


async def end(
    journal: Journal,
    task: str,
    cost: Cost | None = None,
    *,
    verdict: Verdict = "succeeded",
    refused: bool = False,
    at: float = NOW,
) -> None:
    stored = await journal.stored_task(task)
    assert stored is not None
    data = Done(verdict=verdict, cost=cost, billed=False if refused else None)
    event = Event(type="done", task=task, seq=2, state=State(verdict), at=at, source=Source.RELAY, data=data)
    state = replace(fold(begin(submit(task, stored.tags), journal.epoch), [event]), upstream_id="u")
    due = charge(state, stored.started_by)
    await journal.append([event], snapshot=state, folded=state, charge=due, frees_key=refused)


def usd(amount: float) -> Cost:
    return Cost(amount=amount, unit="usd")


async def test_of_parallel_starts_no_more_are_created_than_a_limit_allows(journal: Journal) -> None:
    """Of 100 at the same time. Every task of the tag counts, also one that was started without limits."""
    await start(journal, "first")
    made = await asyncio.gather(*(start(journal, f"t{number}", RUNNING) for number in range(100)))
    assert sum(each.exceeded is None for each in made) == 2
    refused = next(each.exceeded for each in made if each.exceeded is not None)
    assert (refused.limit, refused.used) == (RUNNING, 3)
    assert await journal.stored_task("t99") is None


async def test_a_task_that_ends_makes_room_and_another_tag_has_its_own(journal: Journal) -> None:
    limit = replace(RUNNING, most=1)
    assert (await start(journal, "a", limit)).exceeded is None
    assert (await start(journal, "b", limit)).exceeded is not None
    assert (await start(journal, "c", limit, tags=["other"])).exceeded is not None, "the limit is about the tag"
    other = replace(limit, account="tag:other")
    assert (await start(journal, "d", other, tags=["other"])).exceeded is None
    await end(journal, "a")
    assert (await start(journal, "e", limit)).exceeded is None


async def test_starts_of_the_last_hour_count_even_if_their_tasks_are_deleted(journal: Journal) -> None:
    """Those that the platform refused do not. The time of the next one is known."""
    for number in range(2):
        await start(journal, f"t{number}", STARTS, at=NOW + number)
        await end(journal, f"t{number}")
    assert len(await journal.deletions.delete(["t0", "t1"], at=NOW, upstream=False)) == 2
    await start(journal, "refused", STARTS, at=NOW + 2)
    await end(journal, "refused", verdict="failed", refused=True)
    made = await asyncio.gather(*(start(journal, f"p{number}", STARTS, at=NOW + 3) for number in range(100)))
    assert sum(each.exceeded is None for each in made) == 1
    refused = next(each.exceeded for each in made if each.exceeded is not None)
    assert (refused.used, refused.until) == (3, NOW + 3600)
    assert (await start(journal, "later", STARTS, at=NOW + 3600)).exceeded is None
    await journal.accounts.forget(now=NOW + 7300)
    assert (await start(journal, "again", STARTS, at=NOW + 3601)).exceeded is None, "old starts are forgotten"


async def test_what_running_tasks_will_cost_is_reserved(journal: Journal) -> None:
    """100 starts of half a dollar against two dollars. An end releases what was reserved, whatever it has cost."""
    limit = spend(2.0)
    starts = (start(journal, f"t{number}", limit, estimate=usd(0.5)) for number in range(100))
    made = [number for number, each in enumerate(await asyncio.gather(*starts)) if each.exceeded is None]
    assert len(made) == 4
    await end(journal, f"t{made[0]}", usd(0.1))
    assert await journal.accounts.spent(ALL, EVER, "usd") == 0.1
    refused = (await start(journal, "big", limit, estimate=usd(0.5))).exceeded
    assert refused is not None
    assert (refused.used, refused.reserved, round(refused.left, 9)) == (0.1, 1.5, 0.4)
    assert (await start(journal, "fits", limit, estimate=usd(0.4))).exceeded is None
    unknown = (await start(journal, "unknown", limit)).exceeded
    assert unknown is not None, "nothing is left"
    assert (await start(journal, "paid in credits", limit, estimate=Cost(amount=9, unit="credits"))).exceeded is None


async def test_a_start_without_an_estimate_is_allowed_while_anything_is_left(journal: Journal) -> None:
    assert (await start(journal, "a", spend(1.0))).exceeded is None
    await end(journal, "a", usd(3.0))
    refused = (await start(journal, "b", spend(1.0))).exceeded
    assert refused is not None
    assert (refused.used, refused.left) == (3.0, 0.0)


async def test_days_keys_and_tags_have_accounts_of_their_own(journal: Journal) -> None:
    """A task counts on the day on which it ends."""
    await start(journal, "a", key="shop", tags=["user-42", "x"])
    await end(journal, "a", usd(1.0))
    await start(journal, "b", key="other", tags=[])
    await end(journal, "b", usd(2.0), at=NOW + 86_400)
    spent = journal.accounts.spent
    assert [await spent(ALL, day, "usd") for day in (DAY, DAY + 1, EVER)] == [1.0, 2.0, 3.0]
    assert [await spent(account, EVER, "usd") for account in ("key:shop", TAG, "tag:x", "tag:y")] == [
        1.0,
        1.0,
        1.0,
        0.0,
    ]
    assert await spent(ALL, EVER, "credits") == 0.0
    today = (await start(journal, "c", spend(2.0, day=DAY + 1))).exceeded
    assert today is not None
    assert today.until == (DAY + 2) * 86_400
    assert (await start(journal, "d", spend(2.0, day=DAY))).exceeded is None
    assert (await start(journal, "e", spend(2.0, "key:shop"), key="shop", estimate=usd(1.0))).exceeded is None
    assert (await start(journal, "f", spend(2.0, "key:shop"), key="shop", estimate=usd(1.0))).exceeded is not None
    assert (await start(journal, "g", spend(2.0, TAG), estimate=usd(1.5))).exceeded is not None


async def test_usage_and_what_was_spent_outlive_the_tasks(journal: Journal) -> None:
    """Whether they are deleted or pruned. Old days are forgotten, what was ever spent is not."""
    await start(journal, "a", tags=["x", "y"], key="shop")
    await end(journal, "a", usd(1.0))
    await start(journal, "b", tags=["x"])
    await end(journal, "b", verdict="failed")
    await journal.deletions.delete(["a"], at=NOW, upstream=False)
    assert await journal.prune(ended_before=NOW + 1, limit=10) == ("b",)
    uses = await journal.accounts.usage(since=DAY, until=DAY, tagged=False)
    known = {"count": 1, "verdict:succeeded": 1, "cost:usd": 1.0}
    unknown = {"count": 1, "verdict:failed": 1, "unknown_cost": 1}
    assert [(use.key, use.counts) for use in uses] == [("", unknown), ("shop", known)]
    tagged = await journal.accounts.usage(since=DAY, until=DAY, tagged=True)
    assert [(use.tag, use.key) for use in tagged] == [("x", ""), ("x", "shop"), ("y", "shop")]
    assert not await journal.accounts.usage(since=DAY + 1, until=DAY + 9, tagged=False)
    await journal.accounts.forget(now=(DAY + 500) * 86_400.0)
    assert not await journal.accounts.usage(since=0, until=DAY, tagged=False)
    assert await journal.accounts.spent(ALL, DAY, "usd") == 0.0
    assert await journal.accounts.spent(ALL, EVER, "usd") == 1.0


async def test_an_idempotency_key_of_a_refused_start_stays_free(journal: Journal) -> None:
    claim = Claim(key="k", digest="d", task="a", at=NOW)
    assert (await start(journal, "a", spend(0.5), estimate=usd(1.0), claim=claim)).exceeded is not None
    assert await journal.find_claim("k") is None
    assert (await start(journal, "a", estimate=usd(1.0), claim=claim)).winner is None


async def test_estimates_are_stored(journal: Journal) -> None:
    await start(journal, "a", estimate=usd(0.25))
    await start(journal, "b")
    stored = [await journal.stored_task(task) for task in ("a", "b")]
    assert [None if each is None else each.estimate for each in stored] == [usd(0.25), None]
