"""Tests for notices that are logged once."""

from relay.providers.notices import KEPT, Notices


def test_a_notice_is_new_once() -> None:
    """Tasks and values are independent."""
    notices = Notices()

    assert [notices.is_new("1", "a"), notices.is_new("1", "a"), notices.is_new("1", "b"), notices.is_new("2", "a")] == [
        True,
        False,
        True,
        True,
    ]


def test_only_so_many_are_remembered() -> None:
    """The most recent notices are remembered; a repeated one stays."""
    notices = Notices()
    for number in range(KEPT + 1):
        notices.is_new("first")
        notices.is_new(str(number))

    assert not notices.is_new("first")
    assert not notices.is_new(str(KEPT))
    assert notices.is_new("0")
    assert repr(notices) == f"<Notices {KEPT}>"
