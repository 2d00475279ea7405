"""`relay store check`, `backup`, `restore` and `vacuum`: work on the store of the settings."""

import asyncio
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

from relay import config, log
from relay.cli.output import say
from relay.config import Config
from relay.errors import RelayError
from relay.journal.checking import Checked, check_all
from relay.journal.sqlite.maintenance import copy_file, file_problems, replace_file, settle_file, vacuum_file
from relay.parts import make_journal

_SHOWN: Final = 20
"""How many damaged tasks are printed."""

_INSTEAD: Final = {
    "backup": "pg_dump or pg_basebackup",
    "restore": "pg_restore or your base backup",
    "vacuum": "autovacuum, which PostgreSQL runs on its own",
}


def check_store() -> None:
    """
    Read the whole store, and print how much it contains. A relay may use it at the same time.

    Raises:
        RelayError: something is damaged; one line per problem.
    """
    settings = _settings()
    path = settings.sqlite_path
    checked = asyncio.run(_checked(settings)) if path is None else _checked_file(path)
    say(f"{settings.store_name} is intact: {checked.tasks} tasks with {checked.events} events.")


def back_up(target: Path) -> None:
    """
    Copy the store and its uploads while a relay may use them, and read the whole copy.

    Raises:
        RelayError: the copy could not be made, or is damaged.
    """
    settings = _settings()
    path = _sqlite_path(settings, "backup")
    if target.exists() or _spool_of(target).exists():
        raise RelayError(f"{target} or {_spool_of(target)} already exists; name a new file")
    spool = settings.spool_path
    _copy_uploads(spool, _spool_of(target))  # before: those that the platform has when the copy is made are not needed
    copy_file(path, target)
    _copy_uploads(spool, _spool_of(target))  # after: those that were not complete
    checked = _checked_file(target)
    settle_file(target)
    size = target.stat().st_size
    say(f"Backed up {path} to {target}: {checked.tasks} tasks with {checked.events} events, {size} bytes.")
    say("The copy was read completely and is intact.")
    if _spool_of(target).exists():
        say(f"Uploads of unfinished tasks are in {_spool_of(target)}.")


def restore(backup: Path) -> None:
    """
    Replace the store with a backup, while no relay uses it. The backup is not changed, and the former store is kept.

    Raises:
        RelayError: a relay uses the store, or the backup is damaged.
    """
    settings = _settings()
    path = _sqlite_path(settings, "restore")
    copy = path.with_name(f"{path.name}.restoring")
    copy.unlink(missing_ok=True)  # of an attempt that was interrupted
    try:
        copy_file(backup, copy)
        checked = _checked_file(copy)
        former = replace_file(path, copy)
    finally:
        for ending in ("", "-wal", "-shm"):
            copy.with_name(copy.name + ending).unlink(missing_ok=True)
    if settings.spool_path is not None:
        _copy_uploads(_spool_of(backup), settings.spool_path)
    say(f"Restored {path} from {backup}: {checked.tasks} tasks with {checked.events} events.")
    if former is not None:
        say(f"The former store is {former}; delete it when you no longer need it.")


def vacuum() -> None:
    """
    Return free space in the store to the file system, while no relay uses it.

    Raises:
        RelayError: a relay uses the store, or the disk is too small.
    """
    path = _sqlite_path(_settings(), "vacuum")
    before = path.stat().st_size if path.exists() else 0
    vacuum_file(path)
    say(f"{path} had {before} bytes and now has {path.stat().st_size} bytes.")


def _settings() -> Config:
    settings = config.load()
    log.configure(settings.log_format, "critical")  # damage is printed, and not logged as well
    if settings.store == "memory:":
        raise RelayError("RELAY_STORE is memory:, which no other process can read")
    return settings


def _sqlite_path(settings: Config, command: str) -> Path:
    if settings.sqlite_path is None:
        raise RelayError(
            f"{settings.store_name} is a PostgreSQL database: use {_INSTEAD[command]} instead (see docs/operating.md)"
        )
    return settings.sqlite_path


def _checked_file(path: Path) -> Checked:
    if problems := file_problems(path):
        raise RelayError("\n".join(f"{path}: {problem}" for problem in problems))
    return asyncio.run(_checked(Config(store=f"sqlite:///{path.absolute()}")))


async def _checked(settings: Config) -> Checked:
    journal = make_journal(settings)
    await journal.open(lock=False)
    try:
        checked = await check_all(journal)
    finally:
        await journal.close()
    if checked.damaged:
        more = len(checked.damaged) - _SHOWN
        lines = [*checked.damaged[:_SHOWN], *([f"and {more} more tasks"] if more > 0 else [])]
        raise RelayError("\n".join(lines))
    return checked


def _spool_of(backup: Path) -> Path:
    return backup.with_name(f"{backup.name}.spool")


def _copy_uploads(source: Path | None, target: Path) -> None:
    """Copy uploads that are missing in the target, or not complete there. A relay may add and delete some meanwhile."""
    if source is None or not source.is_dir():
        return
    for file in source.glob("*/*"):
        copy = target / file.relative_to(source)
        with suppress(FileNotFoundError):  # the platform has it, so the relay has deleted it
            if not copy.exists() or copy.stat().st_size != file.stat().st_size:
                target.mkdir(mode=0o700, exist_ok=True)
                copy.parent.mkdir(mode=0o700, exist_ok=True)
                shutil.copy2(file, copy)
