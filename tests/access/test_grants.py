"""Viewer tokens: their times, their tags, and the messages about invalid ones."""

from typing import Any

import aiohttp
import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.access.grants import LEEWAY_S, MAX_TTL_S, Access, TokenExpired
from relay.app import Running
from relay.config.api_keys import ApiKey
from relay.errors import RequestError

NOW = 1_764_115_200
SECRET = "a-token-secret-of-thirty-two-chars"
YEAR = MAX_TTL_S


def access(now: float = NOW) -> Access:
    return Access([ApiKey(key="a-management-key-for-tests")], SECRET, lambda: now)


def token(**claims: Any) -> str:
    return jwt.encode({"task": "t", "exp": NOW + 60} | claims, SECRET, algorithm="HS256")


@pytest.mark.parametrize(
    "claims",
    [
        {"nbf": NOW},
        {"nbf": NOW + 2},
        {"nbf": NOW + 30},
        {"nbf": NOW + 29.9},
        {"nbf": 0},
        {"iat": NOW + 30},
        {"exp": NOW + 1},
        {"exp": NOW + YEAR},
        {"exp": NOW + YEAR + 30},
    ],
    ids=str,
)
def test_times_within_the_leeway_are_accepted(claims: dict[str, float]) -> None:
    """The clock of a backend may be up to 30 s ahead."""
    assert access().check(token(**claims)).task == "t"


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"nbf": NOW + 31}, "`nbf` is 31 s ahead; the limit is 30 s"),
        ({"exp": (NOW + 3600) * 1000}, "`exp` must be in unix seconds; 1 764 118 800 000 looks like milliseconds"),
        ({"nbf": NOW * 1000}, "`nbf` must be in unix seconds; 1 764 115 200 000 looks like milliseconds"),
        ({"iat": NOW * 1000}, "`iat` must be in unix seconds; 1 764 115 200 000 looks like milliseconds"),
        ({"exp": NOW * 1e6}, "milliseconds"),
        ({"exp": NOW + YEAR + 31}, "`exp` is 365 days ahead; the limit is 365 days"),
        ({"exp": NOW + 2 * YEAR}, "`exp` is 730 days ahead; the limit is 365 days"),
        ({"exp": "soon"}, "`exp` must be a number of unix seconds"),
        ({"iat": "now"}, "`iat` must be a number of unix seconds"),
        ({"nbf": True}, "`nbf` must be a number of unix seconds"),
        ({"exp": float("nan")}, "`exp` must be a number of unix seconds"),
        ({"exp": 10**400}, "`exp` must be a number of unix seconds"),
    ],
    ids=str,
)
def test_other_times_are_rejected_with_the_value_and_the_limit(claims: dict[str, Any], message: str) -> None:
    """Milliseconds, a common mistake of JavaScript backends, are recognized."""
    with pytest.raises(RequestError) as caught:
        access().check(token(**claims))
    assert message in caught.value.detail


def test_an_expired_token_has_no_leeway() -> None:
    """It is rejected at the second of its `exp`."""
    with pytest.raises(TokenExpired):
        access().check(token(exp=NOW))


@given(st.integers(1, YEAR), st.floats(-LEEWAY_S, LEEWAY_S), st.floats(0, 1))
def test_another_relay_accepts_a_minted_token(ttl_s: int, apart_s: float, fraction: float) -> None:
    """The clocks may be 30 s apart, and the token may be valid for up to a year."""
    minted, expires_at = access(NOW + fraction).mint("t", scope="view", ttl_s=ttl_s)
    other = access(NOW + fraction + apart_s)
    if NOW + fraction + apart_s < expires_at:
        assert other.check(minted).expires_at == expires_at
    else:
        with pytest.raises(TokenExpired):
            other.check(minted)


def test_a_tag_in_a_token_is_normalized_or_rejected() -> None:
    """Backends may use another spelling of the same tag."""
    of_tag = jwt.encode({"tag": "Fru\u0308hling ", "exp": NOW + 60}, SECRET, algorithm="HS256")
    assert access().check(of_tag).tag == "Fr\xfchling"
    with pytest.raises(RequestError) as caught:
        access().check(jwt.encode({"tag": "a\nb", "exp": NOW + 60}, SECRET, algorithm="HS256"))
    assert "printable text; U+000A is not" in caught.value.detail


async def test_a_rejected_token_is_explained(relay: Running) -> None:
    """By the close reason of a WebSocket and by the detail of a problem."""
    secret = relay.context.access._secret
    wrong = jwt.encode({"task": "t", "exp": 1_764_118_800_000}, secret, algorithm="HS256")
    async with aiohttp.ClientSession(relay.url) as page:
        async with page.ws_connect("/v1/tasks/t/ws", params={"token": wrong}) as socket:
            message = await socket.receive()
            assert message.data == 4500
            assert "looks like milliseconds" in str(message.extra)
        async with page.get("/v1/tasks/t", params={"token": wrong}) as answer:
            assert answer.status == 401
            assert "looks like milliseconds" in (await answer.json())["detail"]
