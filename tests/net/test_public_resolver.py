"""Names that lead into a private network are refused."""

import socket

import pytest

from relay.net.public_resolver import NotPublic, PublicResolver


@pytest.mark.parametrize("name", ["localhost", "127.1", "2130706433", "0x7f.1"])
async def test_a_name_of_a_private_address_is_refused(name: str) -> None:
    """When it is resolved, so an answer that changes later does not help."""
    resolver = PublicResolver()
    with pytest.raises(NotPublic, match="in a private network"):
        await resolver.resolve(name, 443, socket.AF_UNSPEC)
    await resolver.close()
