"""What the handlers share: one value, put into the application when it is made."""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from relay.access.grants import Access
from relay.access.login_codes import LoginCodes
from relay.backoff import Bucket
from relay.config import Config
from relay.files.spool import Spool
from relay.files.upstream_store import FileStore
from relay.hub.hub import Hub
from relay.journal.base import Journal
from relay.tasks.models import Models
from relay.tasks.use_cases import Tasks
from relay.web.http.connection_counts import Crowd
from relay.web.http.connection_gate import Gate
from relay.web.http.rate_limits import Rates


@dataclass(slots=True, kw_only=True)
class Context:
    """The parts of the relay, as the handlers see them."""

    config: Config
    tasks: Tasks
    models: Models
    file_store: FileStore
    spool: Spool
    hub: Hub
    journal: Journal
    access: Access
    logins: LoginCodes
    rates: Rates
    gate: Gate
    """The connections, and whether file descriptors are left for more."""
    viewers: Crowd
    """Who watches, by WebSocket and by SSE."""
    complaints: Bucket
    """How often the log says that viewers are refused: a flood of them shall not be one of lines."""
    clock: Callable[[], float]

    @property
    def draining(self) -> bool:
        """Whether the relay shuts down."""
        return self.tasks.draining


CONTEXT = web.AppKey("context", Context)


def context(request: web.Request) -> Context:
    """Return the parts of the relay that serves this request."""
    return request.app[CONTEXT]
