"""What the handlers share: one value, put into the application when it is made."""

from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

from relay.config import Config
from relay.filestore import FileStore
from relay.hub.hub import Hub
from relay.journal.base import Journal
from relay.models import Models
from relay.spool import Spool
from relay.tasks import Tasks
from relay.web.access import Access


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
    clock: Callable[[], float]
    draining: bool = field(default=False)
    """Set once, when the relay begins to shut down."""


CONTEXT = web.AppKey("context", Context)


def context(request: web.Request) -> Context:
    """Return the parts of the relay that serves this request."""
    return request.app[CONTEXT]
