"""The part of a list that is read, as parameters and conditions of statements."""

from dataclasses import dataclass, replace
from math import inf
from typing import Final

from relay.core.events import State
from relay.journal.lists import Filter, ListPosition
from relay.journal.postgres.rows import ALL_TASKS

# $1 provider or null, $2 states, $3 since, $4 and $5 the position after which to list.

WINDOW: Final = "l.created_at >= $3 AND (l.created_at, l.task) < ($4, $5::text)"
"""The condition that row `l` of `listed` has a position in the window."""

PROVIDERS: Final = """
WITH RECURSIVE provider AS (
  (SELECT provider AS name FROM listed WHERE tag = '' AND $1::text IS NULL ORDER BY provider LIMIT 1)
  UNION ALL
  SELECT (SELECT l.provider FROM listed l WHERE l.tag = '' AND l.provider > p.name ORDER BY l.provider LIMIT 1)
  FROM provider p WHERE p.name IS NOT NULL
), providers AS (
  SELECT name FROM provider WHERE name IS NOT NULL UNION ALL SELECT $1 WHERE $1 IS NOT NULL
)
"""
"""The providers to list. Each step skips to the next one in the index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What to list, from which position on."""

    tag: str
    model: str | None
    provider: str | None
    states: tuple[str, ...]
    since: float
    behind: ListPosition

    @classmethod
    def of(cls, where: Filter, after: ListPosition | None) -> "Window":
        """Return the window of a list after the position `after`."""
        until = ListPosition(created_at=inf if where.until is None else where.until, id="")
        return cls(
            tag=where.tag or ALL_TASKS,
            model=None if where.model is None else where.model.lower(),
            provider=where.provider,
            states=tuple(dict.fromkeys(where.states or tuple(State))),
            since=-inf if where.since is None else where.since,
            behind=until if after is None else min(until, after, key=lambda place: (place.created_at, place.id)),
        )

    def after(self, position: ListPosition) -> "Window":
        """Return the rest of the window after a position in it."""
        return replace(self, behind=position)

    @property
    def values(self) -> tuple[object, ...]:
        """The parameters $1 to $5."""
        return self.provider, self.states, self.since, self.behind.created_at, self.behind.id
