"""A run is sent once: with all guards no state breaks this, and without any one guard some state does."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace

import pytest

from tests.cluster.model.canonical import canonical
from tests.cluster.model.guards import Bounds, Guards
from tests.cluster.model.properties import all_runs_known, double_send, stray_run
from tests.cluster.model.protocol import Cluster, Protocol, Step
from tests.cluster.model.search import Found, Property, Successors, find, find_stuck, replay

pytestmark = pytest.mark.cluster  # the protocol of a cluster, and ten seconds of searching


def canonical_steps(protocol: Protocol) -> Callable[[Cluster], Iterator[Step]]:
    """Return the steps between canonical forms."""
    return lambda state: (Step(label, canonical(after)) for label, after in protocol.steps(state))


def expect_nothing(found: Found) -> None:
    """Fail with the steps that a search has found."""
    if found.trace:
        pytest.fail(f"The protocol fails after {found}", pytrace=False)


ALL_GUARDS = [
    pytest.param(Bounds(posts=3), id="the request is repeated"),
    pytest.param(Bounds(posts=2, failovers=1), id="the request is repeated after a failover"),
    pytest.param(Bounds(posts=1, registrations=3, failovers=1), id="a node restarts before or after a failover"),
]


@pytest.mark.parametrize("bounds", ALL_GUARDS)
def test_with_all_guards_no_run_is_sent_twice_or_left_unseen(bounds: Bounds) -> None:
    """The search visits every state within the bounds."""
    protocol = Protocol(Guards(), bounds)

    expect_nothing(
        find(protocol.start(), canonical_steps(protocol), lambda state: double_send(state) or stray_run(state))
    )


def test_with_all_guards_the_answer_to_each_run_can_still_arrive() -> None:
    """Some node follows or searches for each run, now or after a take-over."""
    protocol = Protocol(Guards(), Bounds(posts=1, registrations=3))

    expect_nothing(find_stuck(protocol.start(), canonical_steps(protocol), all_runs_known))


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What goes wrong without a guard."""

    bounds: Bounds
    """Small bounds within which it goes wrong."""
    search: Callable[[Cluster, Successors, Property], Found] = find
    wanted: Property = double_send
    given: tuple[str, ...] = ()
    """The first steps, where a search from the start would take too long."""


QUEUED = (
    "node A starts as process 0",
    "node A receives a POST and prepares task 0",
    "node A commits submit of task 0: committed",
    "node A sends task 0: at capacity",
    "node A commits hold of task 0: committed",
)
RELEASED_ON_THE_PRIMARY_ONLY = (
    *QUEUED,
    "node B starts as process 1",
    "node A commits release of task 0: committed; the wait for the standby is canceled",
    "node A crashes",
)
WITHOUT = {
    "synchronous_standby": Failure(bounds=Bounds(posts=2, seq=1, failovers=1)),
    "repeat_writes": Failure(bounds=Bounds(posts=2, seq=1, failovers=1)),
    "repeat_names_taken": Failure(bounds=Bounds(posts=2, seq=1)),
    "owner_checked": Failure(bounds=Bounds(posts=1, failovers=1), wanted=stray_run),
    "warning_is_unknown": Failure(bounds=Bounds(posts=2, seq=1, failovers=1)),
    "fenced_create": Failure(bounds=Bounds(posts=2, seq=1, failovers=1)),
    "fenced_release": Failure(bounds=Bounds(posts=1, seq=3)),
    "claim_names_winner": Failure(bounds=Bounds(posts=2, seq=1)),
    "claim_released_with_done": Failure(bounds=Bounds(posts=3, seq=2)),
    "thief_only_looks": Failure(bounds=Bounds(posts=1, seq=1)),
    "random_identity": Failure(bounds=Bounds(posts=1, seq=3, registrations=3, failovers=1), given=QUEUED),
    "new_epoch_registers": Failure(
        bounds=Bounds(posts=1, registrations=3, failovers=1), wanted=stray_run, given=RELEASED_ON_THE_PRIMARY_ONLY
    ),
    "send_window": Failure(bounds=Bounds(posts=1, seq=2), wanted=stray_run),
    "owned_tasks_followed": Failure(bounds=Bounds(posts=1, seq=2), search=find_stuck, wanted=all_runs_known),
}


@pytest.mark.parametrize("guard", WITHOUT)
def test_without_one_guard_the_protocol_fails(guard: str) -> None:
    """Each guard is necessary, and the search finds what it prevents."""
    failure = WITHOUT[guard]
    protocol = Protocol(replace(Guards(), **{guard: False}), failure.bounds)
    start = replay(protocol.start(), protocol.steps, failure.given)

    found = failure.search(start, protocol.steps, failure.wanted)

    assert found.trace, f"Without {guard}, none of {found} fails."


def test_every_guard_is_removed_once() -> None:
    """A guard without a test would be a claim without evidence."""
    assert sorted(WITHOUT) == sorted(field.name for field in fields(Guards))


def test_a_canonical_form_can_do_what_its_state_can() -> None:
    """So a search over canonical forms misses nothing."""
    protocol = Protocol(Guards(), Bounds(posts=1, seq=2, failovers=1))
    steps = canonical_steps(protocol)
    states = {protocol.start()}
    waiting = list(states)
    while waiting:
        state = waiting.pop()
        form = canonical(state)
        assert (double_send(state), stray_run(state)) == (double_send(form), stray_run(form))
        assert {after for _, after in steps(state)} <= {form, *(after for _, after in steps(form))}
        new = {after for _, after in protocol.steps(state)} - states
        states |= new
        waiting += new
