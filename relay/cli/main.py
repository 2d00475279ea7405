"""
The `relay` command: its subcommands and their options.

Exit codes: 0 success, 1 failure, 2 wrong usage, 130 interrupted.

Each subcommand imports what it runs when it is called, so that `relay --help` and a mistyped option answer at once, and
`relay serve` does not load the sandbox.
"""

import asyncio
import sys
import webbrowser
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer

from relay import __version__
from relay.access.grants import MAX_TTL_S, SCOPES
from relay.cli.output import INTERRUPTED, discard_stdout_if_broken, fail, say
from relay.cli.signals import run
from relay.cli.store import store
from relay.cli.webhook import webhook
from relay.core.tag import normalize_tag
from relay.errors import RelayError

cli = typer.Typer(
    help="Show AI generations live in a browser.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)
cli.add_typer(store, name="store")
cli.add_typer(webhook, name="webhook")


def main() -> NoReturn:
    """Run the command that the arguments name, and exit."""
    try:
        sys.exit(cli(standalone_mode=True))
    except RelayError as error:
        fail(str(error))
    except OSError as error:
        if not discard_stdout_if_broken():
            raise
        fail(f"cannot write to standard output: {error.strerror}")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _run(work: Coroutine[Any, Any, None]) -> None:
    if run(work):
        raise typer.Exit(INTERRUPTED)


@cli.callback(invoke_without_command=True)
def _top(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        say(f"relay {__version__}")
        raise typer.Exit


@cli.command()
def serve() -> None:
    """Run the relay. Settings are environment variables, or lines of a .env file; docs/configuration.md lists them."""
    from relay.cli.serve import run_relay

    if run_relay():
        raise typer.Exit(INTERRUPTED)


@cli.command()
def demo(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the relay; 0 picks a free port.")] = 8080,
    speed: Annotated[float, typer.Option(min=0.01, help="Speed of the simulated platforms; 1 is realistic.")] = 1.0,
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open a browser.")] = False,
) -> None:
    """Run simulated platforms, a relay and a few tasks. No account is needed, and nothing is kept."""
    from relay import log
    from relay.app import Running
    from relay.cli.demo import demo as run_demo

    log.configure(level="warning")

    def opened(relay: Running, receiver: str) -> None:
        link = relay.login_link()
        say(f"\n  Watch the tasks here:  {link}")
        say(f"  The link works once, within 10 minutes.{f' API key: {relay.api_key}' if relay.made_key else ''}")
        say(f"\n  Watch a server receive webhooks about them:  {receiver}")
        say("\n  Press Ctrl-C to end the demo. Nothing is kept.")
        if not no_open:
            webbrowser.open(link)

    _run(run_demo(port=port, speed=speed, opened=opened))


@cli.command()
def sandbox(
    host: Annotated[
        str, typer.Option(help="Address to listen on. The sandbox protects nothing, so keep others away from it.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of REST and WebSocket; 0 picks a free port.")
    ] = 8090,
    dialect: Annotated[
        Literal["gen0", "gen1", "gen2"], typer.Option(help="Generation of Wiro's documentation to follow.")
    ] = "gen1",
    speed: Annotated[float, typer.Option(min=0.01, help="Speed of the tasks; 1 is realistic.")] = 1.0,
    seed: Annotated[int, typer.Option(help="With the same seed, the n-th task always behaves the same.")] = 0,
    script: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Play this recording: JSON Lines, see docs/sandbox.md.")
    ] = None,
) -> None:
    """Run the simulated platforms alone, to develop a client against them."""
    from relay import log
    from relay.sandbox import PLAIN_KEY, Sandbox
    from relay.sandbox import serve as run_sandbox

    log.configure()

    def started(box: Sandbox) -> None:
        say("The sandbox is running. To point a relay at it, set:\n")
        say(f"  WIRO_API_URL={box.api_url} WIRO_SOCKET_URL={box.socket_url} \\")
        say(f"  WIRO_API_KEY={box.api_key} WIRO_API_SECRET={box.api_secret} \\")
        say(f"  APIKLEY_API_URL={box.apikley_url} APIKLEY_API_KEY={box.apikley_key} \\")
        say(f"  APIKLEY_WEBHOOK_SECRET={box.apikley_webhook_secret} RELAY_MEDIA_SOURCES={box.origin} \\")
        say(f"  RELAY_WEBHOOK_URL={box.webhook_url} RELAY_WEBHOOK_SECRET={box.webhook_secret}")
        say(f"\nThe project without signed calls has the key {PLAIN_KEY} and no secret.\n")

    _run(run_sandbox(host=host, port=port, dialect=dialect, speed=speed, seed=seed, script=script, started=started))


@cli.command()
def check(
    ready: Annotated[
        bool, typer.Option("--ready", help="Only check whether the relay that runs with these settings is ready.")
    ] = False,
    running: Annotated[
        bool, typer.Option("--diagnose", help="Print what is wrong with the relay that runs with these settings.")
    ] = False,
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="With --ready or --diagnose: the address of another relay.")
    ] = None,
) -> None:
    """Print the settings without secrets, test the store and the platforms, and print one line per problem."""
    from relay.cli.check import check_readiness, check_setup

    if url is not None and not (ready or running):
        raise typer.BadParameter("only --ready and --diagnose take an address", param_hint="--url")
    if url is not None and not url.startswith(("http://", "https://")):
        raise typer.BadParameter(f"{url} does not begin with http:// or https://", param_hint="--url")
    if ready:
        check_readiness(url)
    elif running:
        from relay.cli.diagnose import check_running

        check_running(url)
    else:
        check_setup()


@cli.command()
def config(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object instead of a table.")] = False,
) -> None:
    """Print every setting in effect, without secrets, and where its value comes from."""
    from relay.cli.settings import print_settings

    print_settings(as_json=as_json)


@cli.command()
def nodes() -> None:
    """List the relays that share the store: whether they are alive, their tasks, their viewers and their lag."""
    from relay import config, log
    from relay.cli.nodes import list_nodes

    settings = config.load()
    log.configure(settings.log_format, "error")
    asyncio.run(list_nodes(settings))


@cli.command()
def token(
    task: Annotated[str | None, typer.Argument(help="The task that the token gives access to.")] = None,
    tag: Annotated[str | None, typer.Option(help="Give access to all tasks of this tag instead of one task.")] = None,
    scope: Annotated[
        str, typer.Option(help="Space-separated: view, view:status, cancel, input; with --tag start.")
    ] = "view",
    ttl: Annotated[int | None, typer.Option(min=1, max=MAX_TTL_S, help="Lifetime in seconds, at most a year.")] = None,
    revoke: Annotated[
        bool, typer.Option("--revoke", help="Revoke all tokens of the task or the tag that were issued until now.")
    ] = False,
    jti: Annotated[str | None, typer.Option(help="With --revoke: revoke the token with this ID only.")] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="With the scope start: a model that it may start, such as 'owner/*'.")
    ] = None,
    running: Annotated[int | None, typer.Option(min=1, help="How many tasks of the tag may be unfinished.")] = None,
    per_hour: Annotated[int | None, typer.Option(min=1, help="How many tasks of the tag may start per hour.")] = None,
    spend_usd: Annotated[float | None, typer.Option(min=0, help="How much the tag may ever spend.")] = None,
    fixed: Annotated[
        list[str] | None,
        typer.Option("--input", help="NAME=JSON: the value of an input, or its bounds, such as 'n={\"max\": 2}'."),
    ] = None,
) -> None:
    """Mint a token for a task or a tag, and print it, for a task with a link to its page; or revoke tokens."""
    if not scope.split():
        raise typer.BadParameter(f"must not be empty; use {', '.join(SCOPES)}", param_hint="--scope")
    if unknown := set(scope.split()) - set(SCOPES):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: use {', '.join(SCOPES)}", param_hint="--scope")

    from relay import config
    from relay.cli.token import mint_for_tag, mint_for_task, revoke_tokens, start_rules
    from relay.journal.revocations import Kind

    starts = "start" in scope.split()
    if not starts and (model or fixed or {running, per_hour, spend_usd} != {None}):
        raise typer.BadParameter(
            "must include start for --model, --running, --per-hour, --spend-usd and --input", param_hint="--scope"
        )
    if starts and tag is None:
        raise typer.BadParameter("the scope start requires --tag", param_hint="--scope")

    if revoke:
        match task, tag, jti:
            case str(), None, None:
                target = Kind.TASK, task
            case None, str(), None:
                target = Kind.TAG, _normalized_tag(tag)
            case None, None, str():
                target = Kind.JTI, jti
            case _:
                raise typer.BadParameter(
                    "name one task, one tag with --tag, or one token with --jti", param_hint="TASK"
                )
        asyncio.run(revoke_tokens(config.load(), *target))
        return
    if jti is not None:
        raise typer.BadParameter("requires --revoke", param_hint="--jti")
    match task, tag:
        case str(), None:
            asyncio.run(mint_for_task(config.load(), task, scope, ttl))
        case None, str():
            rules = start_rules(model, running, per_hour, spend_usd, fixed or ()) if starts else None
            asyncio.run(mint_for_tag(config.load(), _normalized_tag(tag), scope, ttl, rules))
        case _:
            raise typer.BadParameter("name one task, or one tag with --tag", param_hint="TASK")


def _normalized_tag(text: str) -> str:
    try:
        return normalize_tag(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--tag") from None
