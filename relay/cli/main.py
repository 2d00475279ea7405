"""
The commands. Each reads its settings, says in one line what is wrong with them, and hands over.

Exit codes: 0 fine, 1 failed, 2 usage, 130 interrupted.
"""

import asyncio
import gc
import logging
import os
import sys
import time
import webbrowser
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer

from relay import __version__, config, log
from relay.access.grants import MAX_TTL_S, SCOPES, Access
from relay.app import Running, make_journal, make_providers, running, token_secret
from relay.cli.demo import demo as run_demo
from relay.cli.reload import reload
from relay.cli.stopping import run
from relay.config import Config
from relay.core.tag import normalized
from relay.environment import service_links
from relay.errors import ConfigError, RelayError
from relay.journal.base import not_permitted
from relay.ready import why_not_ready
from relay.sandbox import PLAIN_KEY, Sandbox
from relay.sandbox import serve as run_sandbox
from relay.web.api.links import links

FAILED, USAGE, INTERRUPTED = 1, 2, 130

_log = log.get("relay")

cli = typer.Typer(
    help="Show AI generations live in a browser.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)


def main() -> NoReturn:
    """Run the command that the arguments name, and exit."""
    try:
        sys.exit(cli(standalone_mode=True))
    except RelayError as error:
        _complain(str(error))
    except OSError as error:
        if not _give_up_stdout():
            raise
        _complain(f"standard output cannot be written: {error.strerror}")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _complain(text: str) -> NoReturn:
    logging.shutdown()  # lines of the log come before
    for line in text.splitlines():
        print(f"relay: {line}", file=sys.stderr)  # noqa: T201 -- the terminal is its user
    sys.exit(FAILED)


def _give_up_stdout() -> bool:
    """Say whether stdout cannot be written; then what is still in its buffer goes nowhere, at the exit, too."""
    try:
        print(flush=True)  # noqa: T201 -- an error passes through here that nobody handled: a line more does no harm
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


def _run(work: Coroutine[Any, Any, None], *, reload: Callable[[], None] | None = None) -> None:
    if run(work, reload=reload):
        raise typer.Exit(INTERRUPTED)


def _say(text: str) -> None:
    typer.echo(text)


@cli.callback(invoke_without_command=True)
def _top(version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False) -> None:
    if version:
        _say(f"relay {__version__}")
        raise typer.Exit


@cli.command()
def serve() -> None:
    """Run the relay. Its settings are environment variables or lines of a .env file; the README lists them."""
    settings = config.load()
    log.configure(settings.log_format, settings.log_level)
    if ignored := service_links(os.environ):
        _log.debug("settings.ignored", names=ignored, reason="Kubernetes sets them for a Service called relay")
    hung_up = asyncio.Event()
    _run(_serve(settings, hung_up), reload=hung_up.set)


async def _serve(settings: Config, hung_up: asyncio.Event) -> None:
    async with running(settings) as relay:
        _spare_what_stays()
        try:
            _introduce(relay, settings)
        except OSError as error:  # a full disk, perhaps: no reason not to serve
            if not _give_up_stdout():
                raise
            _log.warning("stdout.write_failed", reason=error.strerror)
        while True:
            await hung_up.wait()
            hung_up.clear()
            await reload(relay.context)


def _introduce(relay: Running, settings: Config) -> None:
    """Print where the relay is, and what a person has to know who starts it for the first time."""
    _say(f"relay listens on {relay.url}")
    if relay.made_key:
        _say(f"API key (made for this store, as RELAY_API_KEYS is not set): {relay.api_key}")
        _say(f"Dashboard (this link works once, within 10 minutes): {relay.login_link()}")
    if not make_providers(settings):
        _say("No provider has credentials: tasks cannot be started until WIRO_API_KEY or APIKLEY_API_KEY is set.")


def _spare_what_stays() -> None:
    """
    Have the garbage collector look at what is new, and seldom at all there is.

    With thousands of viewers a full collection stops everybody for a tenth of a second, to find what reference counts
    have freed already.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 5, 50)


@cli.command()
def demo(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where the relay listens; 0 picks a free port.")] = 8080,
    speed: Annotated[float, typer.Option(min=0.01, help="Pace of the simulated upstream; 1 is a realistic one.")] = 1.0,
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open a browser.")] = False,
) -> None:
    """See the whole thing with no account: a simulated upstream, a relay in front of it, and a few tasks."""
    log.configure(level="warning")

    def opened(relay: Running) -> None:
        link = relay.login_link()
        _say(f"\n  Watch the tasks here:  {link}")
        _say(f"  The link works once, within 10 minutes.{f' API key: {relay.api_key}' if relay.made_key else ''}")
        _say("\n  Ctrl-C ends the demo; nothing is kept.")
        if not no_open:
            webbrowser.open(link)

    _run(run_demo(port=port, speed=speed, opened=opened))


@cli.command()
def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where REST and the socket listen.")] = 8090,
    dialect: Annotated[
        Literal["gen0", "gen1", "gen2"], typer.Option(help="Which generation of Wiro it speaks.")
    ] = "gen1",
    speed: Annotated[float, typer.Option(min=0.01, help="Pace of the tasks; 1 is a realistic one.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Repeats the same tasks.")] = 0,
    script: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Play this recording: JSON Lines, see docs/sandbox.md.")
    ] = None,
) -> None:
    """Run the simulated upstream alone, for people who develop against it."""
    log.configure()

    def started(box: Sandbox) -> None:
        _say("The sandbox is running. To point a relay at it, set:\n")
        _say(f"  WIRO_API_URL={box.api_url} WIRO_SOCKET_URL={box.socket_url} \\")
        _say(f"  WIRO_API_KEY={box.api_key} WIRO_API_SECRET={box.api_secret} \\")
        _say(f"  APIKLEY_API_URL={box.apikley_url} APIKLEY_API_KEY={box.apikley_key} \\")
        _say(f"  APIKLEY_WEBHOOK_SECRET={box.apikley_webhook_secret} RELAY_MEDIA_SOURCES={box.origin}")
        _say(f"\nA project that is authorized by its key alone has the key {PLAIN_KEY} and no secret.\n")

    _run(run_sandbox(port=port, dialect=dialect, speed=speed, seed=seed, script=script, started=started))


@cli.command()
def check(
    ready: Annotated[
        bool, typer.Option("--ready", help="Only ask the relay that runs with these settings whether it is ready.")
    ] = False,
) -> None:
    """Say what the settings resolve to, and see that the store and the upstream can be reached."""
    settings = config.load()
    if ready:
        if (wrong := why_not_ready(settings)) is not None:
            raise RelayError(wrong)
        _say("ready")
        return
    log.configure(settings.log_format, "error")
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        _say(f"{field.alias:26} {_shown(value)}")
    problems = asyncio.run(_check(settings))
    if problems:
        raise RelayError("\n".join(problems))
    _say("All is well.")


def _shown(value: object) -> str:
    if value is None or value == ():
        return "-"
    return ", ".join(str(part) for part in value) if isinstance(value, tuple) else str(value)


async def _check(settings: Config) -> list[str]:
    """Return one line for each thing that is wrong."""
    problems = []
    if (wrong := await _check_store(settings)) is not None:
        problems.append(f"RELAY_STORE: {wrong}")
    providers = make_providers(settings)
    if not providers:
        problems.append("WIRO_API_KEY: neither it nor APIKLEY_API_KEY is set, so no task can be started")
    for name, provider in providers.items():
        try:
            await provider.check()
        except RelayError as error:
            problems.append(f"{name}: {error}")
        finally:
            await provider.close()
    return problems


async def _check_store(settings: Config) -> str | None:
    """Return what is wrong with the store. One that is not there yet is not made: `serve` does that."""
    path = settings.sqlite_path
    if path is not None and path.parent.is_dir() and not path.exists():
        writable = os.access(path.parent, os.W_OK | os.X_OK)
        return None if writable else not_permitted(path)
    journal = make_journal(settings)
    try:
        await journal.open(lock=False)
    except ConfigError as error:
        return str(error)
    finally:
        await journal.close()
    return None


@cli.command()
def token(
    task: Annotated[str | None, typer.Argument(help="The task that the token opens.")] = None,
    tag: Annotated[str | None, typer.Option(help="Open all tasks of this tag, in the place of one task.")] = None,
    scope: Annotated[str, typer.Option(help="Space-separated: view, cancel, input.")] = "view",
    ttl: Annotated[
        int | None, typer.Option(min=1, max=MAX_TTL_S, help="Seconds that it lives; a year at most.")
    ] = None,
) -> None:
    """Mint a viewer token for one task or one tag, and print it; for a task with the link that it opens."""
    if unknown := set(scope.split()) - set(SCOPES) or ({"an empty scope"} if not scope.split() else set()):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: use {', '.join(SCOPES)}", param_hint="--scope")
    match task, tag:
        case str(), None:
            asyncio.run(_token(config.load(), task, scope, ttl))
        case None, str():
            asyncio.run(_tag_token(config.load(), _read_tag(tag), scope, ttl))
        case _:
            raise typer.BadParameter("name one task, or one tag with --tag", param_hint="TASK")


def _read_tag(text: str) -> str:
    try:
        return normalized(text)
    except ValueError as error:  # no task can have it
        raise typer.BadParameter(str(error), param_hint="--tag") from None


async def _token(settings: Config, task: str, scope: str, ttl: int | None) -> None:
    access = Access([], await _secret(settings, task), time.time)
    minted, _ = access.mint(task, scope=scope, ttl_s=ttl or settings.token_ttl_s)
    _say(minted)
    _say(links(settings, task, minted)["view"])


async def _tag_token(settings: Config, tag: str, scope: str, ttl: int | None) -> None:
    access = Access([], await _secret(settings, None), time.time)
    minted, _ = access.mint_tag(tag, scope=scope, ttl_s=ttl or settings.token_ttl_s)
    _say(minted)


async def _secret(settings: Config, task: str | None) -> str:
    """Return what signs tokens here; with a store at hand, see that it has the task."""
    path = settings.sqlite_path
    if path is None or not path.exists():
        if settings.token_secret is None:  # one made now would be one that no relay knows
            where = f"there is no store at {settings.store}"
            raise ConfigError(f"RELAY_TOKEN_SECRET: {where}, so set this, or serve first")
        return settings.token_secret.get_secret_value()
    journal = make_journal(settings)
    await journal.open(lock=False)
    try:
        if task is not None and await journal.snapshot(task) is None:
            raise RelayError(f"there is no task {task} in {settings.store}")
        return await token_secret(settings, journal)
    finally:
        await journal.close()
