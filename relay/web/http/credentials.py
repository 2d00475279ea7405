"""Find the credential of a request, and check what it allows."""

from contextlib import suppress
from dataclasses import dataclass, field

from aiohttp import hdrs, web

from relay.access.grants import SCOPES, Grant, Scope, TokenExpired
from relay.access.roles import RIGHTS, Right
from relay.errors import Code, RequestError
from relay.web.http.client_address import client_address
from relay.web.http.connection_counts import counted_address
from relay.web.http.context import Context, context
from relay.web.http.rate_limits import RateLimit
from relay.web.http.request_ids import REQUEST_ID

TOKEN_PROTOCOL = "relay.token."  # noqa: S105 -- a prefix
"""Browsers cannot set headers on a WebSocket. They offer the token as a second subprotocol with this prefix."""

NEEDED: web.RequestKey[Right] = web.RequestKey("needed")
"""The right that the requested route needs, from the route table; `admin` for a route that is not in it."""


GRANT: web.RequestKey[Grant] = web.RequestKey("grant")
"""What the credential of the request allows, once it has been checked."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential as the client sent it."""

    text: str = field(repr=False)
    in_header: bool
    """Whether it was sent as `Authorization`. URLs and subprotocols end up in logs of proxies and browsers."""


def credential(request: web.Request) -> Credential | None:
    """Return the credential from the header, else the subprotocol, else `?token=` (for tools that can set neither)."""
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
        RequestError: it is missing or invalid, or it is an API key that was not sent in the header.
    """
    given = credential(request)
    return _checked(request, given.text if given is not None else None, in_header=given is None or given.in_header)


def require_key(request: web.Request, rate_limit: RateLimit | None = None, *, bound: bool = False) -> Grant:
    """
    Require an API key in the header and return what it allows. Keys in URLs are rejected because URLs are logged.

    Args:
        request: the client's request.
        rate_limit: the rate limit of this call, by API key.
        bound: whether a key that is bound to a tag is enough. The caller limits it to this tag.

    Raises:
        RequestError: the key is missing or invalid, it is a viewer token or bound to a tag, or the rate limit is
            exceeded.
    """
    grant = _checked(request, _bearer(request))
    if not grant.is_key:
        raise RequestError(Code.FORBIDDEN, "This call needs an API key; a viewer token is not enough.")
    if grant.tag is not None and not bound:
        detail = f"This call needs an API key for all tasks; this key is bound to the tag {grant.tag}."
        raise RequestError(Code.FORBIDDEN, detail)
    if rate_limit is not None:
        rate_limit.spend(grant.key_digest, context(request).clock())
    return grant


def require_start(request: web.Request) -> Grant:
    """
    Require, in the header, an API key or a start token, and return what it allows.

    Raises:
        RequestError: it is missing or invalid, or it does not allow starts.
    """
    grant = _checked(request, _bearer(request))
    if "start" not in grant.scopes:
        detail = "This call needs an API key, or a token of a tag with the scope `start`."
        raise RequestError(Code.FORBIDDEN, detail)
    return grant


def spend_start(request: web.Request, grant: Grant) -> None:
    """
    Spend the rate limit of an API key, or those of a start token: of its tag, and of the client's address.

    Raises:
        RequestError: one is exceeded.
    """
    here = context(request)
    if grant.is_key:
        here.rate_limits.starts.spend(grant.key_digest, here.clock())
    else:
        proxies = here.config.trusted_proxies
        if (address := counted_address(client_address(request, proxies), proxies)) is not None:
            here.rate_limits.start_addresses.spend(address, here.clock())
        here.rate_limits.starts.spend(("tag", grant.tag), here.clock())


def require_models(request: web.Request) -> Grant:
    """
    Require an API key, or a start token, which may read the models that it may start.

    Raises:
        RequestError: the credential is missing, invalid, or another token.
    """
    grant = _checked(request, _bearer(request))
    if not grant.is_key and grant.start is None:
        detail = "This call needs an API key, or a token of a tag with the scope `start`."
        raise RequestError(Code.FORBIDDEN, detail)
    return grant


def authenticate(parts: Context, credential: str | None, address: str | None, request_id: str | None = None) -> Grant:
    """
    Return what a credential allows, and record a failed attempt with the address of the client.

    Raises:
        RequestError: it is missing or invalid.
    """
    try:
        return parts.access.check(credential)
    except TokenExpired:  # it was valid, and its client should renew it
        raise
    except RequestError:
        if credential:
            parts.audit.failed(address, request_id)
        raise


async def require(request: web.Request, scope: Scope, task: str) -> Grant:
    """
    Require a credential that allows `scope` on a task, and return what it allows.

    Raises:
        RequestError: the credential is missing, invalid, or does not allow this.
    """
    grant = granted(request)
    await permit(context(request), grant, scope, task)
    return grant


async def permit(parts: Context, grant: Grant, scope: Scope, task: str) -> None:
    """
    Check that a grant allows `scope` on a task.

    Raises:
        RequestError: it does not.
    """
    tags: tuple[str, ...] = ()
    if grant.tag is not None:  # only the token of a tag depends on the task's tags
        with suppress(RequestError):  # an unknown task is refused like any other, so that its absence is not disclosed
            tags = (await parts.tasks.snapshot(task)).tags
    if not grant.allows(scope, task, tags):
        raise RequestError(Code.FORBIDDEN, f"The {grant.kind} does not allow {scope} on this task.")


def permit_tag(grant: Grant, scope: Scope, tag: str) -> None:
    """
    Check that a grant allows `scope` on all tasks of a tag, which may have no tasks yet.

    Raises:
        RequestError: it does not.
    """
    if not grant.allows_tag(scope, tag):
        raise RequestError(Code.FORBIDDEN, f"The {grant.kind} does not allow {scope} on this tag.")


def permit_all(grant: Grant) -> None:
    """
    Check that a grant covers all tasks.

    Raises:
        RequestError: it does not.
    """
    if not grant.covers_all:
        raise RequestError(
            Code.FORBIDDEN,
            "Following all tasks needs an API key that is not bound to a tag; a viewer token is not enough.",
        )


def permit_scope(grant: Grant, scope: str) -> None:
    """
    Check that an API key may pass on the scopes of a token: a token never allows more than the key that minted it.

    Raises:
        RequestError: it may not.
    """
    if excess := sorted(each for each in SCOPES if each in scope.split() and not grant.includes(each)):
        detail = f"An API key with the role `{grant.role}` cannot mint a token with the scope {', '.join(excess)}."
        raise RequestError(Code.FORBIDDEN, detail)


def _checked(request: web.Request, credential: str | None, *, in_header: bool = True) -> Grant:
    """
    Return what a credential of a request allows, and note it for the log and the audit.

    Raises:
        RequestError: it is missing or invalid, it is an API key that was not sent in the header, or its role does not
            allow the call.
    """
    here = context(request)
    address = client_address(request, here.config.trusted_proxies)
    grant = authenticate(here, credential, address, request.get(REQUEST_ID))
    if grant.is_key and not in_header:
        here.audit.failed(address, request.get(REQUEST_ID))
        detail = "API keys are accepted in the `Authorization: Bearer` header only, not in the URL or the subprotocol."
        raise RequestError(Code.UNAUTHORIZED, detail)
    request[GRANT] = grant
    _permit_role(request, grant)
    return grant


def _permit_role(request: web.Request, grant: Grant) -> None:
    """
    Check that the role of an API key includes the right that the route table names. A token is checked by the handler.

    Raises:
        RequestError: it does not.
    """
    needed = request.get(NEEDED, "admin")
    if grant.is_key and needed not in grant.scopes:
        roles = " or ".join(f"`{role}`" for role, rights in RIGHTS.items() if needed in rights)
        detail = f"This call needs an API key with the role {roles}; this key has the role `{grant.role}`."
        raise RequestError(Code.FORBIDDEN, detail)


def _bearer(request: web.Request) -> str | None:
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return token.strip() if token and scheme.lower() == "bearer" else None
