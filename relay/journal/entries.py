"""The entries of a task's log, as they are committed, read back and passed to listeners."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import orjson

from relay.core.codec import decode_event, encode_event
from relay.core.events import AppendOutput, Event, LogOutput, State
from relay.core.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One committed event. `body` is its JSON, byte for byte what every viewer receives."""

    task: str
    seq: int
    type: str
    state: State
    """The task's state after the event."""
    adds_text: bool
    """Whether the event only adds text, to the log or to a streamed answer. Lists of tasks leave such events out."""
    body: bytes

    @classmethod
    def of(cls, event: Event) -> "Entry":
        """Encode an event."""
        return cls(
            task=event.task,
            seq=event.seq,
            type=event.type,
            state=event.state,
            adds_text=isinstance(event.data, (LogOutput, AppendOutput)),
            body=encode_event(event),
        )

    @classmethod
    def parse(cls, body: bytes) -> "Entry":
        """
        Read an entry back from its stored body, without decoding the event's data.

        Raises:
            ValueError: `body` is not the JSON of an event.
        """
        raw = orjson.loads(body)
        try:
            return cls(
                task=raw["task"],
                seq=raw["seq"],
                type=raw["type"],
                state=State(raw["state"]),
                adds_text="log" in raw["data"] or "append" in raw["data"],
                body=body,
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not an event: {error!r}") from error

    @property
    def final(self) -> bool:
        """Whether this is the last entry of its task."""
        return self.type == "done"

    @property
    def event(self) -> Event:
        """The decoded event. Each call decodes it again, because most entries are only forwarded."""
        return decode_event(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Consecutive entries of a task's log. `first_seq` is the oldest one still stored (0 for an unknown task)."""

    entries: tuple[Entry, ...]
    first_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """What one commit added to one task's log: at least one entry, in order."""

    task: str
    entries: tuple[Entry, ...]
    folded: Snapshot | None = None
    """The task's state after the last entry; null if the writer did not pass it."""


Listener = Callable[[Sequence[Appended]], None]
"""Called on the event loop with what one commit appended, in order. It must return at once and must not raise."""
