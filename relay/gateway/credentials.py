"""
Authenticates callers by the headers that Wiro clients can send: `x-api-key`, or `Authorization` with a bearer.

Either is one of the relay's API keys, signed or not, or a token. The signature is Wiro's: the HMAC-SHA256 of
SECRET + NONCE under the key (https://wiro.ai/docs, "Authentication"). A wrong signature is never ignored.
"""

import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from aiohttp import hdrs, web

from relay.access.grants import Grant
from relay.access.roles import Right
from relay.errors import Code, RequestError
from relay.gateway import envelope
from relay.web.http.client_address import client_address
from relay.web.http.context import Context, context
from relay.web.http.credentials import GRANT, authenticate
from relay.web.http.request_ids import REQUEST_ID

KEY: Final = "x-api-key"
NONCE: Final = "x-nonce"
SIGNATURE: Final = "x-signature"


def granted(request: web.Request) -> Grant:
    """
    Return what the request's credential allows.

    Raises:
        RequestError: it is missing or invalid, or its signature is.
    """
    scheme, _, bearer = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    credential = bearer.strip() if scheme.lower() == "bearer" else request.headers.get(KEY)
    if not credential:
        raise RequestError(Code.UNAUTHORIZED, envelope.UNKNOWN_KEY)
    grant = checked(request, credential)
    if grant.is_key:
        _check_signature(request.headers, credential, context(request).config.gateway_keys.get(grant.name))
    return grant


def checked(request: web.Request, credential: str) -> Grant:
    """
    Return what a credential allows, from wherever in the request it comes.

    Raises:
        RequestError: it is invalid.
    """
    parts = context(request)
    address = client_address(request, parts.config.trusted_proxies)
    request[GRANT] = authenticate(parts, credential, address, request[REQUEST_ID])
    return request[GRANT]


def permitted(request: web.Request, right: Right) -> Grant:
    """
    Return what the request's credential allows, if that includes a right.

    Raises:
        RequestError: it does not, or it is missing or invalid.
    """
    grant = granted(request)
    if right not in grant.scopes:
        raise RequestError(Code.FORBIDDEN, f"The credential does not allow {right}.")
    return grant


def unbound(grant: Grant) -> None:
    """
    Check that a grant is for all tasks: files at the platform belong to no tag.

    Raises:
        RequestError: it is not.
    """
    if not grant.covers_all:
        raise RequestError(Code.FORBIDDEN, "This call needs an API key that is not bound to a tag.")


async def permit(parts: Context, grant: Grant, right: Right, task: str) -> None:
    """
    Check that a grant allows something on a task. A caller that may not see the task gets the error of an unknown one.

    Raises:
        RequestError: it does not.
    """
    tags = (await parts.tasks.snapshot(task)).tags
    if not grant.allows("view", task, tags):
        raise RequestError(Code.NOT_FOUND, envelope.NO_TASK)
    if not grant.allows(right, task, tags):
        raise RequestError(Code.FORBIDDEN, f"The credential does not allow {right} on this task.")


def _check_signature(headers: Mapping[str, str], key: str, secret: str | None) -> None:
    nonce, signature = headers.get(NONCE), headers.get(SIGNATURE)
    if secret is None and signature is None:
        return
    if nonce is None or signature is None:
        raise RequestError(Code.UNAUTHORIZED, envelope.UNSIGNED)
    expected = hmac.new(key.encode(), f"{secret}{nonce}".encode(), sha256).hexdigest()
    if secret is None or not hmac.compare_digest(expected.encode(), signature.lower().encode()):
        raise RequestError(Code.UNAUTHORIZED, envelope.INVALID_CREDENTIAL)
