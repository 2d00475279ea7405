"""
Commands reach the node that follows the task, and are carried out at least once.

`relay.tasks.commands`, which stores them, is tested with the use cases in `test_use_cases.py`.
"""

from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from relay.core.events import Output, State
from relay.core.signals import Held, Record
from relay.core.upstream import UpstreamTask
from relay.errors import UpstreamRejected, UpstreamUnclear
from relay.journal.nodes import Command, Order
from relay.tasks.search import Search
from tests.tasks.fakes import OTHER
from tests.tasks.nodes import NodeUnderTest, running, until
from tests.tasks.shared_journal import SharedStore

SUCCEEDED = Record(
    phase="succeeded",
    status="success",
    outputs=(Output(url="https://cdn.example/a.png", content_type="image/png", size=1),),
)


@pytest.fixture
async def owner(store: SharedStore) -> AsyncIterator[NodeUnderTest]:
    async with running(store) as node, node.ownership._deliveries:
        yield node


async def command(node: NodeUnderTest, order: Order, *, named: UpstreamTask | None = None) -> None:
    await node.journal.command(Command(id="1", task="task", order=order, by="key", named=named))


async def test_a_cancel_is_carried_out_once(owner: NodeUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if the node looks again meanwhile. Then the command is deleted."""
    follower = await owner.start()
    await until(lambda: follower.snapshot.upstream_id)
    cancel, cancels = follower.cancel, []

    async def counted(by: str) -> None:
        cancels.append(by)
        await cancel(by)

    monkeypatch.setattr(follower, "cancel", counted)
    await command(owner, Order.CANCEL)
    await owner.look()
    await owner.look()
    await until(lambda: not owner.view.store.commands)

    assert cancels == ["key"]
    assert follower.snapshot.cancel is not None
    assert follower.snapshot.cancel.by == "key"
    assert owner.provider.stopped == [False]


async def test_a_cancel_that_the_platform_refuses_is_done(owner: NodeUnderTest) -> None:
    """The log of the relay says why."""
    follower = await owner.start()
    await until(lambda: follower.snapshot.upstream_id)
    owner.provider.stop_errors = [UpstreamRejected("too late")]
    await command(owner, Order.CANCEL)
    with capture_logs() as lines:
        await owner.look()
        await until(lambda: not owner.view.store.commands)
    assert [(line["event"], line["error"]) for line in lines] == [("cancel.failed", "too late")]


async def test_a_callback_makes_the_record_be_read(owner: NodeUnderTest) -> None:
    """A callback without proof is only a hint, so its command is deleted at once."""
    follower = await owner.start()
    await until(lambda: follower.snapshot.upstream_id)
    owner.provider.records = [SUCCEEDED]
    await command(owner, Order.CALLED_BACK)
    await owner.look()
    assert owner.view.store.commands == {}
    await until(lambda: follower.snapshot.state is State.SUCCEEDED)


async def test_the_task_that_a_callback_named_is_kept_until_it_is_adopted(
    owner: NodeUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner may stop before that, and the next one needs it."""
    monkeypatch.setattr("relay.tasks.search.SEARCH_AFTER_S", (0.0, 600.0))
    owner.provider.answers = [UpstreamUnclear("no answer")]
    follower = await owner.start()
    await until(lambda: owner.provider.searches)
    ignored = []
    with monkeypatch.context() as patch:
        patch.setattr(Search, "called_back", lambda _search, named: ignored.append(named))
        await command(owner, Order.CALLED_BACK, named=OTHER)
        await owner.look()
    assert ignored == [OTHER]
    assert [*owner.view.store.commands] == ["1"]
    await owner.look()
    await until(lambda: follower.snapshot.upstream_id == OTHER.upstream_id)
    await owner.look()
    assert owner.view.store.commands == {}


async def test_the_command_for_a_task_that_has_ended_is_deleted(owner: NodeUnderTest) -> None:
    """There is nothing left to do."""
    owner.provider.records = [SUCCEEDED]
    await owner.start()
    await until(lambda: not len(owner.supervisor))
    await command(owner, Order.CANCEL)
    await owner.look()

    assert owner.view.store.commands == {}


async def test_a_command_waits_until_its_task_is_followed(owner: NodeUnderTest) -> None:
    """The task is just being created."""
    with owner.supervisor.creating("task"):
        await owner.create("task")
        await command(owner, Order.CANCEL)
        await owner.look()
        assert [*owner.view.store.commands] == ["1"]


@pytest.mark.parametrize("order", Order)
async def test_a_command_of_a_task_that_was_lost_is_left_to_its_owner(owner: NodeUnderTest, order: Order) -> None:
    """This node has not noticed it yet, or notices it while it carries the command out."""
    follower = await owner.start()
    await until(lambda: follower.snapshot.upstream_id)
    await command(owner, order)
    commands = await owner.journal.commands()

    async def listed() -> tuple[Command, ...]:
        return commands

    owner.view.commands = listed  # type: ignore[method-assign]
    if order is Order.CANCEL:
        owner.view.store.owners["task"] = "another"
        await owner.ownership._deliveries.deliver()
        await until(lambda: follower.closed)
    else:
        follower.fence()
        await owner.ownership._deliveries.deliver()
    await until(lambda: not owner.ownership._deliveries._canceling)
    assert [*owner.view.store.commands] == ["1"]


async def test_a_queued_task_that_was_canceled_elsewhere_is_withdrawn(owner: NodeUnderTest) -> None:
    """It is not sent."""
    await owner.create("first", created_at=1.0)
    await owner.commit("first", Held(reason="full", position=1))
    follower = await owner.start()
    await until(lambda: follower.snapshot.state is State.HELD)
    await command(owner, Order.CANCEL)
    await owner.ownership._deliveries.deliver()
    await until(lambda: follower.snapshot.state is State.CANCELED)

    assert owner.provider.sent == []
