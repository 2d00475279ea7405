"""Where a request carries its credential, and what that allows."""

from contextlib import suppress
from dataclasses import dataclass, field

from aiohttp import hdrs, web

from relay.access.grants import Grant, Scope
from relay.errors import Code, RequestError
from relay.web.http.context import context
from relay.web.http.rate_limits import Rate

TOKEN_PROTOCOL = "relay.token."  # noqa: S105 -- a prefix
"""A browser cannot set headers on a WebSocket: it offers the token as a second subprotocol with this prefix."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential as it came."""

    text: str = field(repr=False)
    in_header: bool
    """Whether it came as `Authorization`. Addresses and subprotocols end up in logs of proxies and browsers."""


def credential(request: web.Request) -> Credential | None:
    """Find the credential: the header first, then the subprotocol, then `?token=` for tools that can do neither."""
    if (bearer := _bearer(request)) is not None:
        return Credential(bearer, in_header=True)
    for protocol in ",".join(request.headers.getall(hdrs.SEC_WEBSOCKET_PROTOCOL, ())).split(","):
        if protocol.strip().startswith(TOKEN_PROTOCOL):
            return Credential(protocol.strip().removeprefix(TOKEN_PROTOCOL), in_header=False)
    token = request.query.get("token")
    return None if token is None else Credential(token, in_header=False)


def granted(request: web.Request) -> Grant:
    """
    Return what the request's credential allows.

    Raises:
        RequestError: there is none, it is not valid, or it is an API key and did not come in the header.
    """
    given = credential(request)
    grant = context(request).access.check(given.text if given is not None else None)
    if grant.is_key and given is not None and not given.in_header:
        detail = "An API key is accepted in the Authorization header only, not in the address or the subprotocol."
        raise RequestError(Code.UNAUTHORIZED, f"{detail} Send it as Authorization: Bearer …")
    return grant


def require_key(request: web.Request, rate: Rate | None = None) -> Grant:
    """
    Let only an API key pass, and only from the header: a key in an address ends up in logs. Return what it allows.

    Args:
        request: who asks.
        rate: how often a key may ask for this.

    Raises:
        RequestError: there is none, or a viewer token in its place; or it asked too often.
    """
    grant = context(request).access.check(_bearer(request))
    if grant.key is None:
        raise RequestError(Code.FORBIDDEN, "This needs an API key; a viewer token is not enough.")
    if rate is not None:
        rate.spend(grant.key, context(request).clock())
    return grant


async def require(request: web.Request, scope: Scope, task: str) -> Grant:
    """
    Let pass who may do `scope` on `task`.

    Raises:
        RequestError: no valid credential, or one that does not allow this.
    """
    grant = granted(request)
    await permit(request, grant, scope, task)
    return grant


async def permit(request: web.Request, grant: Grant, scope: Scope, task: str) -> None:
    """
    See that a grant covers a task.

    Raises:
        RequestError: it does not.
    """
    tags: tuple[str, ...] = ()
    if grant.tag is not None:  # only a tag's token needs to look
        with suppress(RequestError):  # a task that does not exist is refused like any other: existence is not disclosed
            tags = (await context(request).tasks.snapshot(task)).tags
    if not grant.allows(scope, task, tags):
        raise RequestError(Code.FORBIDDEN, f"The token does not allow {scope} on this task.")


def permit_tag(grant: Grant, scope: Scope, tag: str) -> None:
    """
    See that a grant covers a tag. Whether any task has it is no matter: the first may come tomorrow.

    Raises:
        RequestError: it does not.
    """
    if not grant.allows_tag(scope, tag):
        raise RequestError(Code.FORBIDDEN, f"The token does not allow {scope} on this tag.")


def permit_all(grant: Grant) -> None:
    """
    See that a grant covers all tasks.

    Raises:
        RequestError: it does not.
    """
    if not grant.is_key:
        raise RequestError(Code.FORBIDDEN, "Following all tasks needs an API key; a viewer token is not enough.")


def _bearer(request: web.Request) -> str | None:
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return token.strip() if token and scheme.lower() == "bearer" else None
