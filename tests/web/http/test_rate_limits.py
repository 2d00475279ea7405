"""Rate limits by key."""

import pytest

from relay.errors import Code, RequestError
from relay.web.http import rate_limits
from relay.web.http.rate_limits import RateLimit


def test_each_key_has_its_own_rate_limit() -> None:
    """A key that exceeds its limit does not affect others, and the refusal says when to retry."""
    limit = RateLimit(2, "starts", "API key")
    limit.spend(0, 100.0)
    limit.spend(0, 100.0)
    with pytest.raises(RequestError) as caught:
        limit.spend(0, 100.0)
    assert caught.value.code is Code.RATE_LIMITED
    assert caught.value.retry_after_s == pytest.approx(30.0)
    limit.spend(1, 100.0)
    limit.spend(0, 131.0)


def test_full_buckets_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory stays bounded although viewer tokens can name any number of tags."""
    monkeypatch.setattr(rate_limits, "MAX_BUCKETS", 3)
    limit = RateLimit(60, "calls", "API key")
    for number in range(100):
        limit.spend(number, now=2.0 * number)
    assert len(limit._buckets) <= 3
    for _ in range(59):
        limit.spend(99, now=198.0)
    with pytest.raises(RequestError) as caught:
        limit.spend(99, now=198.0)
    assert caught.value.detail == "Rate limit exceeded: 60 calls per minute per API key. Retry in 1 s."
