"""`relay check`: print the settings, and test the store, the archive and the platforms."""

import asyncio
import os
from collections.abc import Sequence

from relay import config, log
from relay.archive.errors import CopyFailed
from relay.cli.output import say
from relay.cli.settings import public_values, shown
from relay.config import Config
from relay.errors import ConfigError, RelayError
from relay.journal.sqlite.database import permission_denied
from relay.parts import make_archive_store, make_journal, make_providers
from relay.ready import why_not_ready, why_not_ready_at


def check_readiness(url: str | None) -> None:
    """
    Check whether a relay is ready.

    Args:
        url: its address; null for the relay that runs with the current settings.

    Raises:
        RelayError: it is not ready, or does not answer.
    """
    reason = why_not_ready(config.load()) if url is None else why_not_ready_at(url)
    if reason is not None:
        raise RelayError(reason)
    say("ready")


def check_setup() -> None:
    """
    Print every setting without secrets, then test the store and call each platform once.

    Raises:
        RelayError: one line per problem.
    """
    settings = config.load()
    log.configure(settings.log_format, "error")
    for name, value in public_values(settings).items():
        say(f"{name:26} {shown(value)}")
    if problems := asyncio.run(_problems(settings)):
        raise RelayError("\n".join(problems))
    say("All checks passed.")


async def _problems(settings: Config) -> list[str]:
    """Return one line per problem."""
    problems = [f"RELAY_STORE: {problem}" for problem in await _store_problems(settings)]
    problems += await _archive_problems(settings)
    providers = make_providers(settings)
    if not providers:
        problems.append("WIRO_API_KEY: neither WIRO_API_KEY nor APIKLEY_API_KEY is set; set one to start tasks")
    for name, provider in providers.items():
        try:
            await provider.check()
        except RelayError as error:
            problems.append(f"{name}: {error}")
        finally:
            await provider.close()
    return problems


async def _store_problems(settings: Config) -> Sequence[str]:
    """Return what is wrong with the store. Do not create one that does not exist yet."""
    if settings.postgres_dsn is not None:
        return await _postgres_problems(settings.postgres_dsn)
    path = settings.sqlite_path
    if path is not None and path.parent.is_dir() and not path.exists():
        writable = os.access(path.parent, os.W_OK | os.X_OK)
        return () if writable else (permission_denied(path),)
    journal = make_journal(settings)
    try:
        await journal.open(lock=False)
    except ConfigError as error:
        return (str(error),)
    finally:
        await journal.close()
    return ()


async def _archive_problems(settings: Config) -> Sequence[str]:
    """Return what is wrong with the archive, if there is one: whether it can be read."""
    try:
        if (store := make_archive_store(settings)) is not None:
            await store.check()
    except ConfigError as error:
        return (str(error),)
    except CopyFailed as error:
        return (f"RELAY_ARCHIVE: {error}",)
    return ()


async def _postgres_problems(dsn: str) -> Sequence[str]:
    """Print what is known of the server, and return what is wrong."""
    try:
        # Imported here because asyncpg is an extra.
        from relay.journal.postgres.inspection import inspect
    except ConfigError as error:
        return (str(error).removeprefix("RELAY_STORE: "),)
    inspection = await inspect(dsn)
    for fact in inspection.facts:
        say(f"Store: {fact}.")
    return inspection.problems
