"""Who listens to a journal of this process. Lives on the event loop; nothing here waits."""

from collections.abc import Callable, Sequence

from relay.journal.base import Entry, Tail


class Tails:
    """The listeners, called in the order in which they came."""

    def __init__(self) -> None:
        self._tails: dict[object, Tail] = {}

    def listen(self, tail: Tail) -> Callable[[], None]:
        """Add a listener; the answer takes it away again, and may be called twice."""
        key = object()
        self._tails[key] = tail

        def unlisten() -> None:
            self._tails.pop(key, None)

        return unlisten

    def publish(self, entries: Sequence[Entry]) -> None:
        """Tell everybody what one commit brought; one whom an earlier one took away hears no more."""
        if entries:
            for key in tuple(self._tails):
                if tail := self._tails.get(key):
                    tail(entries)
