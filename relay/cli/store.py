"""`relay store`: commands on a whole store."""

from pathlib import Path
from typing import Annotated

import typer

store = typer.Typer(help="Check, back up, restore and copy a store.", no_args_is_help=True)


@store.callback()
def _group() -> None:
    """Check, back up, restore and copy a store."""


@store.command()
def copy(
    source: Annotated[str, typer.Argument(metavar="FROM", help="The store to copy, such as sqlite:///relay.db.")],
    target: Annotated[
        str, typer.Argument(metavar="TO", help="An empty store, such as postgresql://relay@db.example.com/relay.")
    ],
) -> None:
    """Copy all tasks from one store to another, and compare the two. If it is interrupted, run it again to continue."""
    from relay.cli.store_copy import copy_store

    copy_store(source, target)


@store.command()
def check() -> None:
    """Read everything in the store, and report what is damaged. A relay may use it at the same time."""
    from relay.cli.store_maintenance import check_store

    check_store()


@store.command()
def backup(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write. It must not exist yet.")],
) -> None:
    """Copy the SQLite store and its uploads while a relay uses them, and verify the copy."""
    from relay.cli.store_maintenance import back_up

    back_up(target)


@store.command()
def restore(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A backup made by `relay store backup`.")],
) -> None:
    """Replace the SQLite store with a backup while no relay uses it. The former store is kept beside it."""
    from relay.cli.store_maintenance import restore as restore_backup

    restore_backup(source)


@store.command()
def vacuum() -> None:
    """Return free space in the SQLite store to the file system while no relay uses it."""
    from relay.cli.store_maintenance import vacuum as vacuum_store

    vacuum_store()
