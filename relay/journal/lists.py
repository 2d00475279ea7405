"""Which tasks a list shows, and in which order."""

from dataclasses import dataclass

from relay.core.events import State


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPosition:
    """The position of a task in the list, which is ordered from the newest to the oldest."""

    created_at: float
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which tasks to list: those that meet every condition. Null or empty means no condition."""

    states: tuple[State, ...] = ()
    """Any of these states."""
    stalled: bool | None = None
    """Whether the task is stalled: silent for longer than normal."""
    tag: str | None = None
    provider: str | None = None
    model: str | None = None
    """Compared case-insensitively."""
    since: float | None = None
    """Created at this time or later, in unix seconds."""
    until: float | None = None
    """Created before this time, in unix seconds."""
    words: tuple[str, ...] = ()
    """Each is a prefix of a word in the task's id, model, tags or title (see `relay.journal.search_words`)."""
