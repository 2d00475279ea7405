"""
Subscriptions of a connection that is about many things: each begins, fails and ends by itself.

The WebSocket and the event stream on many tasks share this. A fault of one subscription is a message; the connection
goes on.
"""

import orjson
from aiohttp import web

from relay.access.grants import Grant, TokenExpired
from relay.errors import Code, RequestError, StoreDamaged
from relay.hub.cursor import parse_cursor
from relay.hub.viewer import TOKEN_EXPIRED, Subject, Viewer, about
from relay.web.http.context import context
from relay.web.http.credentials import permit, permit_all, permit_tag
from relay.web.live.messages import Wanted


class Many(Viewer):
    """A connection that is about many tasks and tags: each comes and goes by itself."""

    __slots__ = ()

    def ended(self, task: str) -> None:
        """Say nothing: the task's last event has said it."""

    def expired(self, subject: Subject, name: str | None) -> None:
        self.fault(subject, name, "token_expired", TOKEN_EXPIRED.reason)

    def fault(self, subject: Subject, name: str | None, code: str, detail: str) -> None:
        """Tell the client that one subscription is over, or never began."""
        self.send(orjson.dumps({"type": "error", **about(subject, name), "code": code, "detail": detail}))


async def subscribe(request: web.Request, viewer: Many, wanted: Wanted, otherwise: Grant | str | None) -> bool:
    """
    Begin a subscription; false if it failed and the client was told why.

    Args:
        request: the connection's.
        viewer: who is to see it.
        wanted: what to follow, from where, and with which token.
        otherwise: the right or the credential that counts where `wanted` has no token.

    Raises:
        OSError: the journal failed.
    """
    parts = context(request)
    subject, name = wanted.aim
    is_new = name not in (viewer.subscriptions if subject == "task" else viewer.tags)
    limit = parts.config.subscription_limit
    if is_new and len(viewer.subscriptions) + len(viewer.tags) >= limit:
        detail = f"One connection may have {limit} subscriptions (RELAY_SUBSCRIPTION_LIMIT); open another connection."
        viewer.fault(subject, name, "forbidden", detail)
        return False
    try:
        grant = otherwise if wanted.token is None else wanted.token
        grant = grant if isinstance(grant, Grant) else parts.access.check(grant)
        match wanted.aim:
            case "task", task:
                await permit(request, grant, "view", task)
                await parts.hub.subscribe(viewer, task, parse_cursor(wanted.cursor), expires_at=grant.expires_at)
            case "tag", tag:
                permit_tag(grant, "view", tag)
                await parts.hub.subscribe_tag(viewer, tag, expires_at=grant.expires_at)
            case _:
                permit_all(grant)
                await parts.hub.subscribe_tag(viewer, None, expires_at=grant.expires_at)
    except StoreDamaged as error:  # the journal has logged it; the other subscriptions go on
        viewer.fault(subject, name, Code.INTERNAL, f"What is stored of the task {error.task} cannot be read.")
        return False
    except RequestError as error:
        viewer.fault(subject, name, _code(error), error.detail)
        return False
    return True


def _code(error: RequestError) -> Code | str:
    """Return the code that tells a client whether a fresh token would help."""
    return "token_expired" if isinstance(error, TokenExpired) else error.code
