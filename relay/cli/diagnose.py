"""`relay check --diagnose`: ask a running relay for its metrics, and say what is wrong with it."""

import asyncio
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import aiohttp

from relay import config, log
from relay.access.kept_secrets import api_keys
from relay.cli.output import say
from relay.config import Config
from relay.errors import RelayError
from relay.metrics.diagnosis import Diagnosis, diagnose
from relay.metrics.scrape import Scrape
from relay.parts import make_journal
from relay.ready import address_of

LIMIT_S = 10.0

_CUT = (
    "The relay closes connections without a response. No file descriptors are left, or RELAY_CONNECTION_LIMIT is "
    "reached: see docs/diagnosing.md#no-file-descriptors-are-left"
)


def check_running(url: str | None) -> None:
    """
    Print what is wrong with a running relay.

    Args:
        url: its address; null for the relay that runs with the current settings.

    Raises:
        RelayError: one line per problem, or why the relay could not be reached.
    """
    settings = config.load()
    log.configure(settings.log_format, "error")
    state = asyncio.run(ask(settings, url))
    if found := state.problems():
        raise RelayError("\n".join(f"{each.text} See docs/diagnosing.md#{each.section}" for each in found))
    tasks, viewers = state.scrape.total("relay_followed_tasks"), state.scrape.total("relay_viewers")
    say(f"No problem found. The relay follows {tasks:.0f} tasks and has {viewers:.0f} viewers.")


@dataclass(frozen=True, slots=True)
class RunningState:
    """What a running relay reports: its metrics, its readiness, and its time in unix seconds."""

    scrape: Scrape
    status: str
    now: float

    def problems(self) -> list[Diagnosis]:
        """Return what is wrong, the most severe first."""
        found = list(diagnose(self.scrape, self.status, self.now))
        if self.status != "ok" and not found:
            found.append(Diagnosis(f"The relay is not ready: {self.status}.", "the-relay-does-not-answer"))
        return found


async def ask(settings: Config, url: str | None) -> RunningState:
    """Return the state of a running relay. The arguments and errors are those of `check_running`."""
    origin = address_of(settings, settings.port) if url is None else url.rstrip("/")
    headers = {"Authorization": f"Bearer {await _key(settings)}"}
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(LIMIT_S)) as session:
            async with session.get(f"{origin}/readyz") as answer:
                status = str((await answer.json())["status"])
            async with session.get(f"{origin}/metrics", headers=headers) as answer:
                if answer.status != 200:
                    raise RelayError(
                        f"{origin}/metrics returned HTTP {answer.status}. Set RELAY_API_KEYS to a key of this relay."
                    )
                return RunningState(Scrape(await answer.text()), status, _date(answer))
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionResetError) as error:
        if isinstance(error, aiohttp.ClientConnectorError):
            raise RelayError(f"There is no relay at {origin}: {error.strerror or error}") from error
        raise RelayError(_CUT) from error
    except TimeoutError as error:
        raise RelayError(f"The relay at {origin} did not answer within {LIMIT_S:g} s.") from error
    except (aiohttp.ClientError, ValueError, KeyError, TypeError) as error:
        raise RelayError(
            f"{origin} does not respond like a relay ({type(error).__name__}). Check the address."
        ) from error


async def _key(settings: Config) -> str:
    """Return an API key: a configured one, else the one that the relay has generated for its store."""
    path = settings.sqlite_path
    if not settings.api_keys and settings.postgres_dsn is None and (path is None or not path.exists()):
        raise RelayError(f"RELAY_API_KEYS: not set, and there is no store at {settings.store_name} that has a key")
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
