"""`relay webhook`: commands about the receivers of webhooks."""

import asyncio
from typing import Annotated

import typer

webhook = typer.Typer(help="Try out the receivers of webhooks.", no_args_is_help=True)


@webhook.callback()
def _group() -> None:
    """Try out the receivers of webhooks."""


@webhook.command()
def test(
    url: Annotated[
        str | None, typer.Argument(help="A receiver; by default, each one of RELAY_WEBHOOK_URL.", show_default=False)
    ] = None,  # noqa: PT028 -- this is a command
) -> None:
    """Send a signed webhook of the type relay.test to each receiver, once, and print the answers."""
    from relay import config
    from relay.cli.webhook_trial import send_test

    asyncio.run(send_test(config.load(), url))
