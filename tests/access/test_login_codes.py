"""Codes of sign-in links are valid once and for ten minutes, on every node."""

import pytest

from relay.access.login_codes import LIFETIME_S, LoginCodes

SECRET = "a-secret-of-more-than-32-characters"


class Store:
    """What the nodes share: the digests of used codes."""

    def __init__(self) -> None:
        self.used: set[str] = set()
        self.now = 1_000_000.0

    async def use(self, digest: str) -> bool:
        first = digest not in self.used
        self.used.add(digest)
        return first

    def node(self, secret: str = SECRET) -> LoginCodes:
        return LoginCodes(secret, self.use, lambda: self.now)


async def test_a_code_is_valid_once_and_for_ten_minutes() -> None:
    """Several codes may be valid."""
    store = Store()
    codes = store.node()
    first, second, third = codes.make(), codes.make(), codes.make()
    assert len({first, second, third}) == 3
    assert await codes.redeem(first)
    assert not await codes.redeem(first)
    store.now += LIFETIME_S - 1
    assert await codes.redeem(second)
    store.now += 1
    assert not await codes.redeem(third)


async def test_a_code_is_valid_on_every_node_but_only_once() -> None:
    """A load balancer may send the browser to any node."""
    store = Store()
    code = store.node().make()
    assert await store.node().redeem(code)
    assert not await store.node().redeem(code)


@pytest.mark.parametrize(
    "code", ["", ".", "\ud800", "9999999999.x", "9999999999.x.", "9999999999.x.AAAA", "nan.x.AAAA"]
)
async def test_a_code_that_was_not_issued_is_invalid(code: str) -> None:
    """Nothing of it is noted."""
    store = Store()
    assert not await store.node().redeem(code)
    assert not await store.node().redeem(store.node("another-secret").make())
    late = store.node().make().split(".")
    late[0] = str(int(late[0]) + 60)
    assert not await store.node().redeem(".".join(late))
    assert store.used == set()
