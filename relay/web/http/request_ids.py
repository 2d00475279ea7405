"""
Give each request an id: the client's `X-Request-Id` if it has a safe form, else a random one.

It is in the response, in problems, in the audit, and in every line that is logged for the request. Lines about a task
that the request has started have it, too.
"""

import re
import secrets
from contextlib import AbstractContextManager

import structlog
from aiohttp import web

from relay.web.http.context import context

HEADER = "X-Request-Id"

REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id")

_SAFE = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""Without dots, so that it is not a token."""


def bound_request_id(request: web.Request) -> AbstractContextManager[None]:
    """Give a request its id, and add the id to all lines that are logged in the block."""
    given = request.headers.get(HEADER, "")
    usable = _SAFE.fullmatch(given) and not context(request).access.is_key(given)
    request[REQUEST_ID] = given if usable else secrets.token_hex(8)
    return structlog.contextvars.bound_contextvars(request_id=request[REQUEST_ID])


def current_request_id() -> str | None:
    """Return the id of the request that is being handled."""
    found = structlog.contextvars.get_contextvars().get("request_id")
    return found if isinstance(found, str) else None
