"""The listeners of a journal in this process. Used on the event loop only."""

from collections.abc import Callable, Sequence

from relay.journal.deletions import DeletedListener
from relay.journal.entries import Appended, Listener


class Listeners:
    """All listeners, called in the order in which they were added."""

    def __init__(self) -> None:
        self._listeners: dict[object, Listener] = {}
        self._resets: dict[object, Callable[[], None]] = {}
        self._deleted: dict[object, DeletedListener] = {}

    def add(
        self,
        listener: Listener,
        reset: Callable[[], None] | None = None,
        deleted: DeletedListener | None = None,
    ) -> Callable[[], None]:
        """
        Add a listener. The returned function removes it and may be called twice.

        Args:
            listener: called with what is published.
            reset: called when something was not published that should have been.
            deleted: called with tasks that were deleted.
        """
        key = object()
        self._listeners[key] = listener
        if reset is not None:
            self._resets[key] = reset
        if deleted is not None:
            self._deleted[key] = deleted

        def remove() -> None:
            self._listeners.pop(key, None)
            self._resets.pop(key, None)
            self._deleted.pop(key, None)

        return remove

    def publish(self, appended: Sequence[Appended]) -> None:
        """Pass on what one commit appended. A listener that an earlier one has removed is not called."""
        if appended:
            for key in tuple(self._listeners):
                if listener := self._listeners.get(key):
                    listener(appended)

    def deleted(self, tasks: Sequence[str]) -> None:
        """Pass on which tasks were deleted."""
        for key in tuple(self._deleted):
            if deleted := self._deleted.get(key):
                deleted(tasks)

    def reset(self) -> None:
        """Have the listeners read again what they know: entries were skipped, or the epoch has changed."""
        for key in tuple(self._resets):
            if reset := self._resets.get(key):
                reset()
