"""What a viewer token may say of its times, and how a mistake in it is told."""

from typing import Any

import aiohttp
import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.access.grants import LEEWAY_S, MAX_TTL_S, Access, TokenExpired
from relay.app import Running
from relay.errors import RequestError

NOW = 1_764_115_200
SECRET = "a-token-secret-of-thirty-two-chars"
YEAR = MAX_TTL_S


def access(now: float = NOW) -> Access:
    return Access(["a-management-key-for-tests"], SECRET, lambda: now)


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
def test_times_that_a_clock_half_a_minute_ahead_would_write_are_accepted(claims: dict[str, float]) -> None:
    """A backend whose clock is a little ahead breaks no viewer."""
    assert access().check(token(**claims)).task == "t"


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"nbf": NOW + 31}, "`nbf` is 31 s ahead, and at most 30 s are accepted"),
        (
            {"exp": (NOW + 3600) * 1000},
            "`exp` is 1 764 118 800 000: seconds are expected, this looks like milliseconds",
        ),
        ({"nbf": NOW * 1000}, "`nbf` is 1 764 115 200 000: seconds are expected, this looks like milliseconds"),
        ({"iat": NOW * 1000}, "`iat` is 1 764 115 200 000: seconds are expected, this looks like milliseconds"),
        ({"exp": NOW * 1e6}, "milliseconds"),
        ({"exp": NOW + YEAR + 31}, "`exp` is 365 days ahead, and at most 365 days are accepted"),
        ({"exp": NOW + 2 * YEAR}, "`exp` is 730 days ahead, and at most 365 days are accepted"),
        ({"exp": "soon"}, "`exp` must be a number of unix seconds"),
        ({"iat": "now"}, "`iat` must be a number of unix seconds"),
        ({"nbf": True}, "`nbf` must be a number of unix seconds"),
        ({"exp": float("nan")}, "`exp` must be a number of unix seconds"),
        ({"exp": 10**400}, "`exp` must be a number of unix seconds"),
    ],
    ids=str,
)
def test_other_times_are_refused_with_their_value_and_the_limit(claims: dict[str, Any], said: str) -> None:
    """The commonest slip of JavaScript backends, milliseconds, is named as such."""
    with pytest.raises(RequestError) as caught:
        access().check(token(**claims))
    assert said in caught.value.detail


def test_an_expired_token_has_no_leeway() -> None:
    """It is over, and a fresh one helps."""
    with pytest.raises(TokenExpired):
        access().check(token(exp=NOW))


@given(st.integers(1, YEAR), st.floats(-LEEWAY_S, LEEWAY_S), st.floats(0, 1))
def test_what_one_relay_mints_another_accepts(ttl_s: int, apart_s: float, fraction: float) -> None:
    """With clocks up to half a minute apart, up to a whole year."""
    minted, expires_at = access(NOW + fraction).mint("t", scope="view", ttl_s=ttl_s)
    other = access(NOW + fraction + apart_s)
    if NOW + fraction + apart_s < expires_at:
        assert other.check(minted).expires_at == expires_at
    else:
        with pytest.raises(TokenExpired):
            other.check(minted)


def test_a_tag_in_a_token_is_normalised_or_refused() -> None:
    """A backend may write it in another spelling."""
    of_tag = jwt.encode({"tag": "Fru\u0308hling ", "exp": NOW + 60}, SECRET, algorithm="HS256")
    assert access().check(of_tag).tag == "Fr\xfchling"
    with pytest.raises(RequestError) as caught:
        access().check(jwt.encode({"tag": "a\nb", "exp": NOW + 60}, SECRET, algorithm="HS256"))
    assert "printable text; U+000A is not" in caught.value.detail


async def test_a_page_and_a_call_are_told_why_a_token_is_refused(relay: Running) -> None:
    """In the close's reason and in the problem's detail."""
    secret = relay.context.access._secret
    wrong = jwt.encode({"task": "t", "exp": 1_764_118_800_000}, secret, algorithm="HS256")
    async with aiohttp.ClientSession(relay.url) as page:
        async with page.ws_connect("/v1/tasks/t/ws", params={"token": wrong}) as socket:
            message = await socket.receive()
            assert message.data == 4500
            assert "this looks like milliseconds" in str(message.extra)
        async with page.get("/v1/tasks/t", params={"token": wrong}) as answer:
            assert answer.status == 401
            assert "this looks like milliseconds" in (await answer.json())["detail"]
