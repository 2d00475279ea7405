"""However often a task is canceled, the platform is asked seldom, and every caller gets the outcome."""

import asyncio
from typing import cast

import pytest

from relay.errors import UpstreamError, UpstreamRejected
from relay.providers.base import Provider
from relay.tasks.stopper import STOPS_AT_ONCE, Stopper
from tests.tasks.fakes import UPSTREAM, FakeProvider


def stopper(provider: FakeProvider, asked: list[int]) -> Stopper:
    return Stopper(cast("Provider", provider), lambda: asked.append(len(provider.stopped)))


async def test_concurrent_callers_share_one_call() -> None:
    """After the call, the record is read."""
    provider, asked = FakeProvider(), list[int]()
    one = stopper(provider, asked)
    await asyncio.gather(*(one.stop(UPSTREAM, started=True) for _ in range(100)))

    assert (provider.stopped, asked) == ([True], [1])


async def test_callers_in_succession_soon_share_the_last_outcome() -> None:
    """A refusal reaches all of them."""
    provider, asked = FakeProvider(), list[int]()
    provider.stop_errors = [None, UpstreamRejected("It cannot be stopped any more.")]
    one = stopper(provider, asked)
    refused = 0
    for _ in range(10):
        try:
            await one.stop(UPSTREAM, started=False)
        except UpstreamError:
            refused += 1

    assert (len(provider.stopped), refused) == (STOPS_AT_ONCE, 9)
    assert asked == [1, 2]


async def test_a_refusal_raises() -> None:
    """The record is read all the same: the task may have ended."""
    provider, asked = FakeProvider(), list[int]()
    provider.stop_errors = [UpstreamRejected("It cannot be stopped any more.")]
    with pytest.raises(UpstreamRejected, match="any more"):
        await stopper(provider, asked).stop(UPSTREAM, started=True)
    assert asked == [1]
