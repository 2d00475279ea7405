"""`relay check --diagnose`: ask a running relay for its metrics, and say what is wrong with it."""

import asyncio
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp
import typer
from yarl import URL

from relay import config, log
from relay.access.kept_secrets import api_keys
from relay.cli.documentation import page
from relay.cli.output import FAILED, say
from relay.config import Config
from relay.errors import RelayError
from relay.metrics.diagnosis import Diagnosis, counted, diagnose, lowered_limit
from relay.metrics.scrape import Scrape
from relay.parts import make_journal
from relay.ready import address_of

LIMIT_S: Final = 10.0

ATTEMPTS: Final = 5
"""A relay that is out of files answers some connections and closes others."""

_CUT: Final = "No file descriptors are left, or RELAY_CONNECTION_LIMIT is reached."
_CUT_SECTION: Final = "no-file-descriptors-are-left"


def check_running(url: str | None) -> None:
    """
    Print what is wrong with a running relay: one line per problem, on stdout.

    Args:
        url: its address; null for the relay that runs with the current settings.

    Raises:
        RelayError: why the relay could not be asked.
        typer.Exit: with status 1 if there is a problem.
    """
    settings = config.load()
    log.configure(settings.log_format, "error")
    state = asyncio.run(ask(settings, url))
    if found := state.problems():
        for each in found:
            say(f"{each.text} See {_manual(each.section)}")
        raise typer.Exit(FAILED)
    tasks, viewers = state.scrape.total("relay_followed_tasks"), state.scrape.total("relay_viewers")
    say(f"No problem found. The relay follows {counted(tasks, 'task')} and has {counted(viewers, 'viewer')}.")
    if (note := lowered_limit(state.scrape)) is not None:
        say(f"Note: {note}")


@dataclass(frozen=True, slots=True)
class RunningState:
    """What a running relay reports: its metrics, its readiness, and its time in unix seconds."""

    scrape: Scrape
    status: str
    now: float
    cut: int = 0
    """How many of ATTEMPTS connections were closed without an answer."""

    def problems(self) -> list[Diagnosis]:
        """Return what is wrong, the most severe first."""
        found = list(diagnose(self.scrape, self.status, self.now))
        if self.cut and all(each.section != _CUT_SECTION for each in found):
            text = f"The relay closed {self.cut} of {ATTEMPTS} connections without a response. {_CUT}"
            found.insert(0, Diagnosis(text, _CUT_SECTION))
        if self.status != "ok" and not found:
            found.append(Diagnosis(f"The relay is not ready: {self.status}.", "the-relay-does-not-answer"))
        return found


async def ask(settings: Config, url: str | None) -> RunningState:
    """
    Return the state of a running relay.

    Args:
        settings: say where the relay is and which key it takes.
        url: its address; null for that of the settings.

    Raises:
        RelayError: why it could not be asked.
    """
    origin = address_of(settings, settings.port) if url is None else url.rstrip("/")
    headers = {"Authorization": f"Bearer {await _key(settings)}"}
    try:
        cut = [await _is_answered(URL(f"{origin}/livez")) for _ in range(ATTEMPTS)].count(False)
        for _ in range(ATTEMPTS - cut):
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(LIMIT_S), headers=headers) as session:
                with suppress(aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                    return replace(await _state(session, origin), cut=cut)
    except TimeoutError as error:
        raise RelayError(f"The relay at {origin} did not answer within {LIMIT_S:g} s.") from error
    except OSError as error:
        raise RelayError(f"There is no relay at {origin}: {error.strerror or error}") from error
    except (aiohttp.ClientError, ValueError, KeyError, TypeError) as error:
        raise RelayError(
            f"{origin} does not respond like a relay ({type(error).__name__}). Check the address."
        ) from error
    raise RelayError(
        f"The relay closes connections without a response. {_CUT} Run the command again, and see "
        f"{_manual(_CUT_SECTION)}"
    )


async def _is_answered(url: URL) -> bool:
    """Return whether a request on a connection of its own is answered. aiohttp would hide that by a second attempt."""
    context = ssl.create_default_context() if url.scheme == "https" else None
    async with asyncio.timeout(LIMIT_S):
        reader, writer = await asyncio.open_connection(url.host, url.port, ssl=context)
        try:
            writer.write(f"GET {url.raw_path} HTTP/1.1\r\nHost: {url.authority}\r\nConnection: close\r\n\r\n".encode())
            return bool(await reader.read(1))
        except ConnectionError:
            return False
        finally:
            writer.close()


async def _state(session: aiohttp.ClientSession, origin: str) -> RunningState:
    """Return the state of the relay that a session with an API key asks."""
    async with session.get(f"{origin}/readyz") as answer:
        status = str((await answer.json())["status"])
    async with session.get(f"{origin}/metrics") as answer:
        if answer.status != 200:
            raise RelayError(
                f"{origin}/metrics returned HTTP {answer.status}. Set RELAY_API_KEYS to a key of this relay."
            )
        return RunningState(Scrape(await answer.text()), status, _date(answer))


def _manual(section: str) -> str:
    return page(f"diagnosing.md#{section}")


async def _key(settings: Config) -> str:
    """Return an API key: a configured one, else the one that the relay has generated for its store."""
    path = settings.sqlite_path
    if not settings.api_keys and settings.postgres_dsn is None and (path is None or not path.exists()):
        raise RelayError(
            f"RELAY_API_KEYS: not set, and there is no store at {settings.store_name} that has a key. Run the command "
            "with the settings of the relay (its working directory, environment and user), or set RELAY_API_KEYS to "
            "one of its keys."
        )
    journal = make_journal(settings)
    if settings.api_keys:
        return (await api_keys(settings, journal))[0].key
    await journal.open(lock=False)
    try:
        return (await api_keys(settings, journal))[0].key
    finally:
        await journal.close()


def _date(answer: aiohttp.ClientResponse) -> float:
    """Return the relay's time in unix seconds."""
    try:
        return parsedate_to_datetime(answer.headers["Date"]).timestamp()
    except (KeyError, ValueError):
        return time.time()
