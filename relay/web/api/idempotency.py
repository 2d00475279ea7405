"""Read the `Idempotency-Key` header."""

import re
from hashlib import sha256

import orjson
from aiohttp import web

from relay.access.grants import Grant
from relay.errors import Code, RequestError
from relay.tasks.requests import Idempotency


def check_idempotency_key(request: web.Request) -> str | None:
    """
    Return the client's idempotency key, if it sent one.

    Raises:
        RequestError: the key is invalid.
    """
    key = request.headers.get("Idempotency-Key")
    if key is not None and not re.fullmatch(r"[!-~]{1,255}", key):
        raise RequestError(
            Code.INVALID_REQUEST, "`Idempotency-Key` must be 1 to 255 visible ASCII characters without spaces."
        )
    return key


def read_idempotency(request: web.Request, grant: Grant, body: object) -> Idempotency | None:
    """
    Return the client's idempotency key with a digest of the body. The order of fields does not matter.

    Args:
        request: the client's request.
        grant: each API key, and each tag of start tokens, has its own idempotency keys.
        body: the JSON, and what identifies the files.

    Raises:
        RequestError: the key is invalid.
    """
    key = check_idempotency_key(request)
    if key is None:
        return None
    digest = sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()
    # A client's key has no space, so the scoped key is unambiguous.
    if grant.is_key:
        return Idempotency(key=f"{grant.key_digest} {key}", unscoped=key, digest=digest)
    return Idempotency(key=f"tag:{grant.tag} {key}", digest=digest)
