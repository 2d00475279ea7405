"""`relay store copy`: copy a store to another one while no relay uses either."""

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from typing import Final

import typer
from pydantic import ValidationError

from relay import log
from relay.cli.output import INTERRUPTED, say
from relay.cli.signals import run
from relay.config.storage import Storage
from relay.errors import RelayError, StoreError
from relay.journal.copying import copy_all
from relay.journal.sqlite.transfer import sqlite_store
from relay.journal.transfer import Store

_AGAIN: Final = "Nothing in the source has changed. Run the command again to continue."


def copy_store(source: str, target: str) -> None:
    """
    Copy all tasks from one store to another, and compare the two.

    Raises:
        RelayError: a store cannot be used, or the two differ.
        typer.BadParameter: an address is invalid.
        typer.Exit: interrupted.
    """
    given, taker = _storage(source, "FROM"), _storage(target, "TO")
    if given.store_name == taker.store_name:
        raise typer.BadParameter("must be another store than FROM", param_hint="TO")
    log.configure(level="warning")
    if run(_copy(given, taker)):
        typer.echo(f"Interrupted. {_AGAIN}", err=True)
        raise typer.Exit(INTERRUPTED)


def _storage(address: str, name: str) -> Storage:
    try:
        storage = Storage.model_validate({"store": address})
    except ValidationError as error:
        message = error.errors(include_url=False, include_input=False)[0]["msg"]
        raise typer.BadParameter(message.removeprefix("Value error, "), param_hint=name) from None
    if storage.store == "memory:":
        raise typer.BadParameter("a store in memory cannot be copied", param_hint=name)
    return storage


async def _copy(source: Storage, target: Storage) -> None:
    try:
        with _Progress() as progress:
            async with _opened(source, target=False) as ours, _opened(target, target=True) as theirs:
                copied = await copy_all(ours, theirs, progress)
    except StoreError as error:
        raise RelayError(f"{error}\n{_AGAIN}") from error
    if copied.added:
        say(f"Copied {copied.added} tasks with {copied.events} events from {source.store_name} to {target.store_name}.")
    else:
        say(f"Nothing to copy from {source.store_name} to {target.store_name}.")
    say(f"Verified: both have the same {copied.tasks} tasks, with the SHA-256 {copied.digest}.")
    if copied.unsent_files:
        say(
            f"The spool was not copied: {copied.unsent_files} unfinished tasks have uploads in it. Before you start a "
            "relay on the copy, move the contents of the spool to that of this relay."
        )


@asynccontextmanager
async def _opened(storage: Storage, *, target: bool) -> AsyncIterator[Store]:
    if storage.sqlite_path is not None:
        with sqlite_store(storage.sqlite_path, target=target) as file:
            yield file
    else:
        # Imported here because asyncpg is an extra.
        from relay.journal.postgres.transfer import postgres_store

        async with postgres_store(storage.store, target=target) as database:
            yield database


class _Progress:
    """A progress bar for each part of the work; without a terminal, only their names."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._label = ""
        self._done = 0
        self._advance: Callable[[int], None] = lambda _tasks: None

    def __enter__(self) -> "_Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def __call__(self, what: str, done: int, total: int) -> None:
        if what != self._label:
            self._stack.close()
            bar = self._stack.enter_context(typer.progressbar(length=total, label=what, show_pos=True))
            self._label, self._done, self._advance = what, 0, bar.update
        self._advance(done - self._done)
        self._done = done
