"""Who asked, behind proxies or not."""

import pytest
from aiohttp.test_utils import make_mocked_request

from relay.web.peer import peer


@pytest.mark.parametrize(
    ("forwarded", "trusted", "found"),
    [
        ("", (), "127.0.0.1"),
        ("203.0.113.9", (), "127.0.0.1"),
        ("203.0.113.9", ("127.0.0.1",), "203.0.113.9"),
        ("198.51.100.1, 203.0.113.9", ("127.0.0.0/8",), "203.0.113.9"),
        ("203.0.113.9, 10.0.0.7", ("127.0.0.1", "10.0.0.0/8"), "203.0.113.9"),
        ("10.0.0.7", ("127.0.0.1", "10.0.0.0/8"), "10.0.0.7"),
        ("nonsense, 203.0.113.9", ("127.0.0.1", "203.0.113.9"), "nonsense"),
    ],
)
def test_the_first_hop_that_is_no_trusted_proxy_asked(forwarded: str, trusted: tuple[str, ...], found: str) -> None:
    """Whoever it is can write what it likes into the header, so nothing beyond it counts."""
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    request = make_mocked_request("GET", "/", headers=headers).clone(remote="127.0.0.1")
    assert peer(request, trusted) == found
