"""Who is called when something is committed, and when something was skipped."""

from relay.journal.listeners import Listeners


def test_a_reset_reaches_the_listeners_that_take_one() -> None:
    """One that is removed, by itself or by an earlier one, is not called."""
    listeners, calls = Listeners(), list[str]()
    listeners.add(lambda _: None)
    gone = listeners.add(lambda _: None, lambda: calls.append("gone"))

    def first() -> None:
        calls.append("first")
        gone()

    remove = listeners.add(lambda _: None, first)
    removed_by_first = listeners.add(lambda _: None, lambda: calls.append("second"))
    listeners.reset()
    assert calls == ["gone", "first", "second"]
    remove()
    removed_by_first()
    listeners.reset()
    assert calls == ["gone", "first", "second"]


def test_a_listener_that_an_earlier_one_removes_is_not_reset() -> None:
    """It may have been closed."""
    listeners, calls = Listeners(), list[str]()
    listeners.add(lambda _: None, lambda: remove())
    remove = listeners.add(lambda _: None, lambda: calls.append("reset"))
    listeners.reset()
    assert calls == []


def test_a_listener_that_an_earlier_one_removes_does_not_learn_of_deletions() -> None:
    """It may have been closed."""
    listeners, calls = Listeners(), list[str]()
    listeners.add(lambda _: None, deleted=lambda _: remove())
    remove = listeners.add(lambda _: None, deleted=lambda _: calls.append("removed"))
    listeners.add(lambda _: None, deleted=calls.extend)
    listeners.deleted(["a"])
    assert calls == ["a"]
