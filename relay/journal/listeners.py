"""The listeners of a journal in this process. Used on the event loop only."""

from collections.abc import Callable, Sequence

from relay.journal.entries import Appended, Listener


class Listeners:
    """All listeners, called in the order in which they were added."""

    def __init__(self) -> None:
        self._listeners: dict[object, Listener] = {}

    def add(self, listener: Listener) -> Callable[[], None]:
        """Add a listener. The returned function removes it and may be called twice."""
        key = object()
        self._listeners[key] = listener

        def remove() -> None:
            self._listeners.pop(key, None)

        return remove

    def publish(self, appended: Sequence[Appended]) -> None:
        """Pass on what one commit appended. A listener that an earlier one has removed is not called."""
        if appended:
            for key in tuple(self._listeners):
                if listener := self._listeners.get(key):
                    listener(appended)
