"""
The composition root: the only module that creates the parts of a relay, connects them and shuts them down.

The parts are shut down in reverse order, so viewers are notified before their channels close, and followers commit
their last events before the journal closes.
"""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from aiohttp import web

from relay import log
from relay.access.audit import Audit
from relay.access.grants import Access
from relay.access.kept_secrets import api_keys, token_secret, use_code
from relay.access.login_codes import LoginCodes
from relay.access.revocations import RevocationWatch, Revoked
from relay.archive.download import Downloads
from relay.archive.result_files import ResultFiles
from relay.backoff import Bucket
from relay.catalogue import catalogue
from relay.clock import CautiousClock
from relay.config import Config
from relay.errors import ConfigError
from relay.files.upstream_store import FileStore
from relay.gateway import routes as gateway
from relay.hub.hub import Hub
from relay.journal.base import Journal
from relay.journal.retention import retaining
from relay.metrics.collector import Metrics
from relay.metrics.sources import Sources as MetricSources
from relay.metrics.trace_context import trace_of
from relay.metrics.trace_exporter import make_traces
from relay.parts import limits, make_archive, make_journal, make_providers, make_spool, reaches
from relay.providers.base import Provider
from relay.providers.counts import UpstreamCounts
from relay.providers.wiro.provider import WiroProvider
from relay.tasks.context import ignore
from relay.tasks.models import Models
from relay.tasks.ownership import Ownership
from relay.tasks.supervisor import Supervisor
from relay.tasks.use_cases import Tasks
from relay.web.application import application
from relay.web.http.base_path import prefix
from relay.web.http.connection_counts import ConnectionCounts
from relay.web.http.context import Context
from relay.web.http.listener import Listener, listening, make_gate
from relay.web.http.rate_limits import RateLimit, RateLimits
from relay.web.metrics import listening as metrics_listening
from relay.webhooks.courier import Courier
from relay.webhooks.receivers import Receivers
from relay.webhooks.sender import Sender
from relay.webhooks.webhooks import Webhooks

CLOSE_S = 1.0
"""How long requests and viewers may take to finish when the relay shuts down."""

SETTLE_S = 2.0
"""How long requests may take to arrive and be answered when the relay is restarted on sockets that stay open."""

_log = log.get("relay")


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A relay that accepts requests."""

    url: str
    api_key: str = field(repr=False)
    made_key: bool
    """Whether the relay generated the key because none is configured."""
    context: Context
    journal: Journal

    def login_link(self) -> str:
        """Return a link that signs a browser in. It works once, within ten minutes."""
        return f"{self.url}/#code={self.context.login_codes.make()}"


def make_application(context: Context, providers: Mapping[str, Provider]) -> web.Application:
    """Return the web application, with the gateway if it is configured."""
    app = application(context)
    wiro = providers.get("wiro")
    if context.config.gateway == "wiro" and isinstance(wiro, WiroProvider):
        gateway.add_to(app, wiro, prefix(context.config))
    return app


@asynccontextmanager
async def running(config: Config, sockets: Sequence[socket.socket] = ()) -> AsyncIterator[Running]:
    """
    Run a relay: it accepts requests once entered, and is drained and closed on leaving.

    Args:
        config: the settings.
        sockets: listening sockets that another process keeps open; empty to listen on the configured address.

    Raises:
        ConfigError: the store cannot be opened, or the address is not available.
    """
    async with AsyncExitStack() as stack:
        viewers = ConnectionCounts(config.connection_limit, config.address_limit)
        journal = make_journal(config, lambda: viewers.total)
        await journal.open(lock=True)
        stack.push_async_callback(journal.close)
        audit = await stack.enter_async_context(Audit(journal.audit, time.time))
        keys, secret = await api_keys(config, journal), await token_secret(config, journal)
        upstream = {name: UpstreamCounts() for name in ("wiro", "apikley")}
        providers = make_providers(config, upstream)
        for provider in providers.values():
            stack.push_async_callback(provider.close)
        cautious_clock = CautiousClock(time.time, await journal.saved_time())
        revoked = Revoked()
        hub = Hub(journal, time.time, revoked.covers)
        stack.callback(hub.close)
        revocations = await stack.enter_async_context(
            RevocationWatch(journal.revocations, revoked, time.time, hub.end_invalid)
        )
        known = catalogue.load()
        spool = make_spool(config, stack)
        stack.push_async_callback(spool.close)
        gate = make_gate(config)
        receivers = Receivers(urls=config.webhook_urls, hosts=config.webhook_hosts)
        webhooks = Webhooks(journal, receivers, time.time)
        archived = partial(webhooks.announce, kind="task.archived")
        if (archive := make_archive(config, journal, spool, cautious_clock, archived)) is not None:
            await stack.enter_async_context(archive)
        result_files = ResultFiles(archive, Downloads(config.proxies), reaches(config))
        stack.push_async_callback(result_files.close)
        models = Models(known, providers, time.monotonic)
        if (traces := make_traces(config)) is not None:
            await stack.enter_async_context(traces)
        ended = ignore if traces is None else traces.end
        supervisor = await stack.enter_async_context(
            Supervisor(journal, providers, known, spool, time.time, limits(config, gate.has_room), webhooks, ended)
        )
        tasks = await stack.enter_async_context(
            Tasks(journal, providers, models, supervisor, spool, time.time, cautious_clock, config.budgets)
        )
        sources = MetricSources(
            hub=hub,
            journal=journal,
            supervisor=supervisor,
            upstream={name: upstream[name] for name in providers},
            spool=spool,
            archive=archive,
            connections=gate,
            folder=(config.sqlite_path or spool.folder).parent,
        )
        metrics = await stack.enter_async_context(Metrics(sources))
        context = Context(
            config=config,
            tasks=tasks,
            models=models,
            file_store=FileStore(providers, spool),
            spool=spool,
            archive=archive,
            result_files=result_files,
            hub=hub,
            access=Access(keys, secret, time.time, revoked),
            audit=audit,
            login_codes=LoginCodes(secret, partial(use_code, journal), time.time, revoked.covers_login),
            revocations=revocations,
            rate_limits=RateLimits(
                starts=RateLimit(config.start_rate, "starts", "API key or tag"),
                start_addresses=RateLimit(config.start_address_rate, "starts", "client address"),
                mints=RateLimit(config.mint_rate, "tokens", "API key"),
                cancels=RateLimit(config.cancel_rate, "cancellations", "task or tag of a viewer token"),
            ),
            gate=gate,
            viewers=viewers,
            webhooks=webhooks,
            counts=sources.web,
            metrics=metrics,
            refused_log=Bucket(1, 1 / 60, time.time()),
            clock=time.time,
        )
        await supervisor.resume()
        if receivers:
            sender = Sender(receivers, config.webhook_keys, time.time, proxies=config.proxies)
            await stack.enter_async_context(sender)
            courier = Courier(
                journal,
                webhooks,
                sender,
                clock=time.time,
                cautious_clock=cautious_clock,
                attempts=sources.webhook_attempts,
                traceparent=None if traces is None else trace_of,
            )
            await stack.enter_async_context(courier)
        ownership = await stack.enter_async_context(Ownership(journal, supervisor, providers))
        await stack.enter_async_context(
            retaining(
                journal,
                cautious_clock,
                age_s=config.history_age_s,
                limit_bytes=config.store_limit_bytes,
                audit_age_s=config.audit_age_s,
            )
        )
        listener = await _serve(make_application(context, providers), context, sockets, stack)
        stack.push_async_callback(_drain, context, ownership, listener)
        _log.info("relay.started", url=listener.url, providers=list(providers), following=tasks.following)
        yield Running(
            url=listener.url, api_key=context.access.key, made_key=not config.api_keys, context=context, journal=journal
        )


async def _serve(
    app: web.Application, context: Context, sockets: Sequence[socket.socket], stack: AsyncExitStack
) -> Listener:
    config = context.config
    runner = web.AppRunner(
        app,
        handler_cancellation=True,  # without it, a handler keeps running after its client has left
        shutdown_timeout=CLOSE_S,
    )
    stack.push_async_callback(context.gate.close_streams, CLOSE_S)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    if runner.server is None:
        raise AssertionError("the runner has no server after its setup")
    try:
        listener = await stack.enter_async_context(listening(context, runner.server, sockets))
    except OSError as error:
        raise ConfigError(f"RELAY_HOST, RELAY_PORT: cannot listen on {config.host}:{config.port}: {error}") from error
    await stack.enter_async_context(metrics_listening(context))
    return listener


async def _drain(context: Context, ownership: Ownership, listener: Listener) -> None:
    """
    Take no new tasks, wait for submissions, hand tasks over, and close viewers' connections: they reconnect.

    Before that, load balancers get the time to notice that this relay is not ready any more.
    """
    context.stopping = True
    if delay_s := context.config.shutdown_delay_s:
        _log.info("drain.delayed", delay_s=delay_s)
        await asyncio.sleep(delay_s)
    _log.info("relay.draining", viewers=context.hub.viewers, following=context.tasks.following)
    if listener.kept:  # new connections wait in the sockets for the next process: no request is refused
        listener.close()
        await context.gate.settle(SETTLE_S)
    await context.tasks.drain(context.config.drain_s / 2)
    await ownership.hand_over()
    await context.hub.drain(min(context.config.drain_s / 4, context.hub.viewers / 1000))
