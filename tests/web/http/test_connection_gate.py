"""A limit on connections that file descriptors have lowered: idle connections make room, and others are refused."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from relay.web.http.connection_counts import ConnectionCounts
from relay.web.http.connection_gate import Gate
from relay.web.http.file_descriptors import Descriptors

MANY = Descriptors(10**9)
"""So that only the limit on connections counts."""


@dataclass(eq=False)
class Connection:
    """A connection that is idle since a time, or answers a request."""

    idle_since: tuple[bool, float] | None
    dismissed: bool = False

    def dismiss(self) -> None:
        self.dismissed = True


def full(make: Callable[[], Connection], *, configured_limit: int) -> tuple[Gate, list[Connection]]:
    """Return a gate with as many connections as it admits."""
    gate = Gate(ConnectionCounts(3, 10), configured_limit, MANY, lambda: 100.0)
    connections = [make() for _ in range(3)]
    assert all(gate.enter(each, None) for each in connections)
    return gate, connections


def test_idle_connections_make_room_below_a_lowered_limit() -> None:
    """Otherwise clients that send nothing would keep API calls out, as long as they stay connected."""
    gate, connections = full(lambda: Connection((False, 1.0)), configured_limit=1000)
    assert gate.enter(Connection(None), None)
    assert [each.dismissed for each in connections] == [True, True, False]
    assert (gate.dismissed, gate.refused["no_files",], gate.refused["limit",]) == (2, 0, 0)


@pytest.mark.parametrize(("configured_limit", "reason"), [(1000, "no_files"), (3, "limit")])
def test_a_refusal_names_its_reason(configured_limit: int, reason: str) -> None:
    """A configured limit is one thing, and a lowered one another."""
    gate, _ = full(lambda: Connection(None), configured_limit=configured_limit)
    assert not gate.enter(Connection(None), None)
    assert gate.refused == {("limit",): 0, ("no_files",): 0} | {(reason,): 1}
