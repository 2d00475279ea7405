"""Make the parts of a relay that its settings choose: the journal, the spool, the providers, the archive."""

import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING

from relay.archive.archive import Archive, ArchiveLimits
from relay.archive.download import Downloads
from relay.archive.reach import Reach
from relay.archive.sources import Sources
from relay.config import Config
from relay.core.schedule import TimeLimits
from relay.errors import ConfigError
from relay.files.spool import Spool
from relay.journal.base import Journal
from relay.journal.memory import MemoryJournal
from relay.journal.sqlite import SQLiteJournal
from relay.providers.apikley.provider import ApikleyProvider
from relay.providers.base import Provider
from relay.providers.counts import UpstreamCounts
from relay.providers.wiro.provider import WiroProvider
from relay.tasks.limits import Limits

if TYPE_CHECKING:
    from relay.archive.store import ArchiveStore


def make_journal(config: Config, viewers: Callable[[], int] = lambda: 0) -> Journal:
    """
    Return the configured journal, not yet open. `viewers` returns how many viewers this process has.

    Raises:
        ConfigError: the package that it needs is not installed.
    """
    limits = {"history_events": config.history_events, "history_bytes": int(config.history_bytes)}
    if config.postgres_dsn is not None:
        try:
            from relay.journal.postgres.journal import PostgresJournal  # asyncpg is an extra
            from relay.journal.postgres.node import ThisNode
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"RELAY_STORE: PostgreSQL needs the package {error.name}: pip install 'generation-relay[postgres]'"
            ) from error
        return PostgresJournal(config.postgres_dsn, join=ThisNode, name=config.node, viewers=viewers, **limits)
    path = config.sqlite_path
    return MemoryJournal(**limits) if path is None else SQLiteJournal(path, **limits)


def make_spool(config: Config, stack: AsyncExitStack) -> Spool:
    """Return the configured spool, not yet open. With a store in memory, its directory is deleted with the stack."""
    path = config.spool_path
    if path is None:
        path = Path(stack.enter_context(TemporaryDirectory(prefix="relay-", ignore_cleanup_errors=True)))
    return Spool(path, file_limit_bytes=config.file_limit_bytes, limit_bytes=config.spool_limit_bytes)


def make_providers(
    config: Config, counts: Mapping[str, UpstreamCounts] = MappingProxyType({})
) -> Mapping[str, Provider]:
    """Return the providers that have credentials, by name. `counts` counts the calls of each."""
    providers: dict[str, Provider] = {}
    if config.wiro_api_key is not None:
        secret = config.wiro_api_secret
        providers["wiro"] = WiroProvider(
            api_key=config.wiro_api_key.get_secret_value(),
            api_secret=secret.get_secret_value() if secret is not None else None,
            api_url=config.wiro_api_url,
            socket_url=config.wiro_socket_url,
            request_timeout_s=config.request_timeout_s,
            proxies=config.proxies,
            counts=counts.get("wiro"),
        )
    if config.apikley_api_key is not None:
        secret = config.apikley_webhook_secret
        providers["apikley"] = ApikleyProvider(
            api_key=config.apikley_api_key.get_secret_value(),
            api_url=config.apikley_api_url,
            webhook_secret=secret.get_secret_value() if secret is not None else None,
            request_timeout_s=config.request_timeout_s,
            proxies=config.proxies,
            counts=counts.get("apikley"),
        )
    return providers


def limits(config: Config, may_stream: Callable[[int], bool]) -> Limits:
    """Return the settings that apply to all tasks. `may_stream` returns whether one more stream may be opened."""
    return Limits(
        time_limits=TimeLimits(silence_s=config.silence_s, deadline_s=config.task_deadline_s),
        queue_limit=config.hold_limit,
        queue_limit_s=config.hold_s,
        cell=config.cell,
        public_url=str(config.public_url) if config.public_url is not None else None,
        keeps_results=config.archive is not None,
        may_stream=may_stream,
    )


def make_archive_store(config: Config) -> "ArchiveStore | None":
    """
    Return where results are kept, if they are.

    Raises:
        ConfigError: the package that it needs is not installed, or its directory cannot be created.
    """
    if config.archive is None:
        return None
    try:
        import PIL  # noqa: F401 - the process that makes thumbnails imports it

        from relay.archive.store import ArchiveStore  # obstore is an extra
    except ImportError as error:
        raise ConfigError(
            f"RELAY_ARCHIVE: the archive needs the package {error.name}: pip install 'generation-relay[archive]'"
        ) from error
    return ArchiveStore(config.archive)


def reaches(config: Config) -> Mapping[str, Reach]:
    """Return where the results of each provider may be."""
    return {"wiro": Reach.of(config.wiro_api_url), "apikley": Reach.of(config.apikley_api_url)}


def make_archive(
    config: Config,
    journal: Journal,
    spool: Spool,
    cautious_clock: Callable[[], float],
    archived: Callable[[str], Awaitable[None]],
) -> Archive | None:
    """
    Return the configured archive, if any. `archived` is called with the id of a task whose results are archived.

    Raises:
        ConfigError: see `make_archive_store`.
    """
    if (store := make_archive_store(config)) is None:
        return None
    return Archive(
        journal,
        store,
        Sources(
            Downloads(config.proxies),
            reaches(config),
            spool,
        ),
        ArchiveLimits(
            file_bytes=config.archive_file_limit_bytes,
            total_bytes=config.archive_limit_bytes,
            age_s=config.archive_age_s,
        ),
        time.time,
        cautious_clock,
        archived,
    )
