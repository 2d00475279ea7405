"""The parts of the relay that request handlers use."""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from relay.access.audit import Audit
from relay.access.grants import Access
from relay.access.login_codes import LoginCodes
from relay.access.revocations import RevocationWatch
from relay.archive.archive import Archive
from relay.archive.result_files import ResultFiles
from relay.backoff import Bucket
from relay.config import Config
from relay.files.spool import Spool
from relay.files.upstream_store import FileStore
from relay.hub.hub import Hub
from relay.metrics.collector import Metrics
from relay.metrics.web_counts import WebCounts
from relay.tasks.models import Models
from relay.tasks.use_cases import Tasks
from relay.web.http.connection_counts import ConnectionCounts
from relay.web.http.connection_gate import Gate
from relay.web.http.rate_limits import RateLimits
from relay.webhooks.webhooks import Webhooks


@dataclass(slots=True, kw_only=True)
class Context:
    """What the handlers need: the settings, the use cases, and the limits on clients."""

    config: Config
    tasks: Tasks
    """Starts, lists and reads tasks, and knows whether the relay is ready or draining."""
    models: Models
    file_store: FileStore
    spool: Spool
    """Receives uploads."""
    archive: Archive | None
    """Keeps results; null if none is configured."""
    result_files: ResultFiles
    """Reads results, kept or not."""
    hub: Hub
    """Delivers events to viewers."""
    access: Access
    audit: Audit
    """Records who did what."""
    login_codes: LoginCodes
    revocations: RevocationWatch
    """Knows which tokens are revoked, and revokes others."""
    rate_limits: RateLimits
    gate: Gate
    """Admits connections, and knows whether file descriptors are left for more viewers."""
    viewers: ConnectionCounts
    """Of viewers, over WebSocket and SSE."""
    webhooks: Webhooks
    """Lists the deliveries of webhooks, and has one sent again."""
    counts: WebCounts
    """What the metrics say of requests."""
    metrics: Metrics
    refused_log: Bucket
    """Limits how often a refused viewer is logged."""
    clock: Callable[[], float]
    """Returns unix seconds."""
    stopping: bool = False
    """Whether the relay is about to shut down. It serves all requests until the drain begins."""


CONTEXT = web.AppKey("context", Context)


def context(request: web.Request) -> Context:
    """Return the parts of the relay that serves this request."""
    return request.app[CONTEXT]
