"""`relay store`: commands on a whole store while no relay has it open."""

from typing import Annotated

import typer

store = typer.Typer(help="Copy a store while no relay uses it.", no_args_is_help=True)


@store.callback()
def _group() -> None:
    """Copy a store while no relay uses it."""


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
