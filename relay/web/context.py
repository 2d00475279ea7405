"""What the handlers share: one value, put into the application when it is made."""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from relay.config import Config
from relay.filestore import FileStore
from relay.hub.hub import Hub
from relay.journal.base import Journal
from relay.models import Models
from relay.spool import Spool
from relay.tasks import Tasks
from relay.web.access import Access
from relay.web.crowd import Crowd
from relay.web.gate import Gate
from relay.web.login_codes import LoginCodes
from relay.web.rates import Bucket, Rates


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
