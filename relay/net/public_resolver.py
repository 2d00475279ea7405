"""Resolves names to addresses of the public internet, and refuses names that lead anywhere else."""

import socket
from collections.abc import Callable

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from relay.net.public_address import is_public


class NotPublic(OSError):
    """A name leads to a private network."""


class PublicResolver(AbstractResolver):
    """
    The resolver of a connector that must not reach a private network.

    The connector connects to the very addresses that were checked: a name that resolves differently later has no
    effect. The connector does not resolve a host that is an IP address, so the caller checks that.
    """

    def __init__(self, resolver: AbstractResolver | None = None, is_allowed: Callable[[str], bool] = is_public) -> None:
        """
        Args:
            resolver: resolves names; by default as the system does.
            is_allowed: returns whether an IP address may be connected to.
        """
        self._resolver = resolver or ThreadedResolver()
        self._is_allowed = is_allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """
        Return the addresses of a name.

        Raises:
            NotPublic: one of them is not public: such a name is misconfigured, or an attack.
            OSError: the name does not resolve.
        """
        found = await self._resolver.resolve(host, port, family)
        if not all(self._is_allowed(each["host"]) for each in found):
            raise NotPublic(f"{host} resolves to an address in a private network")
        return found

    async def close(self) -> None:
        await self._resolver.close()
