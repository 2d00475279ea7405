"""`relay token`: mint or revoke viewer tokens on the machine that has the store."""

import time
from collections.abc import Sequence

import orjson
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from relay.access.grants import Access, revocation
from relay.access.kept_secrets import token_secret
from relay.access.revocations import POLL_S
from relay.access.start_rules import StartLimits, StartRules
from relay.cli.output import say
from relay.config import Config
from relay.errors import ConfigError, RelayError
from relay.journal.revocations import Kind
from relay.parts import make_journal
from relay.web.api.links import links


async def mint_for_task(settings: Config, task: str, scope: str, ttl_s: int | None) -> None:
    """
    Print a token for a task, and a link to the task's page.

    Raises:
        RelayError: the store does not have the task, or no secret is known.
    """
    access = Access([], await _secret(settings, task), time.time)
    minted, _ = access.mint(task, scope=scope, ttl_s=ttl_s or settings.token_ttl_s)
    say(minted)
    say(links(settings, task, minted)["view"])


def start_rules(
    models: list[str] | None,
    running: int | None,
    per_hour: int | None,
    spend_usd: float | None,
    inputs: Sequence[str],
) -> StartRules:
    """
    Return what a start token may start.

    Args:
        models: patterns; null or empty for every model.
        running: how many tasks of the tag may be unfinished.
        per_hour: how many may be started within an hour.
        spend_usd: how much they may cost.
        inputs: `NAME=JSON` each; a text need not be quoted.

    Raises:
        RelayError: a value is not valid.
    """
    rules: dict[str, object] = {}
    for each in inputs:
        name, separator, value = each.partition("=")
        if not separator:
            raise RelayError(f"--input {each}: use NAME=JSON")
        try:
            rules[name] = orjson.loads(value)
        except orjson.JSONDecodeError:
            rules[name] = value
    try:
        limits = StartLimits(running=running, per_hour=per_hour, spend_usd=spend_usd)
        return StartRules(models=models or None, limits=limits, inputs=rules)
    except ValidationError as error:
        raise RelayError("; ".join(_problem(each) for each in error.errors())) from None


def _problem(details: ErrorDetails) -> str:
    return f"{'.'.join(map(str, details['loc']))}: {details['msg'].removeprefix('Value error, ')}"


async def mint_for_tag(
    settings: Config, tag: str, scope: str, ttl_s: int | None, rules: StartRules | None = None
) -> None:
    """
    Print a token for all tasks of a tag. The tag need not have a task yet. `rules` are what it may start.

    Raises:
        ConfigError: no secret is known.
    """
    access = Access([], await _secret(settings, None), time.time)
    minted, _ = access.mint_tag(tag, scope=scope, ttl_s=ttl_s or settings.token_ttl_s, rules=rules)
    say(minted)


async def revoke_tokens(settings: Config, kind: Kind, name: str) -> None:
    """
    Revoke tokens. Running relays that use the store apply it within seconds.

    Raises:
        RelayError: there is no store, or it failed.
    """
    path = settings.sqlite_path
    if settings.postgres_dsn is None and (path is None or not path.exists()):
        raise RelayError(
            f"there is no store at {settings.store_name}; use `POST /v1/tokens/revoke` of the running relay instead"
        )
    journal = make_journal(settings)
    await journal.open(lock=False)
    try:
        await journal.revocations.add(revocation(kind, name, time.time()))
    finally:
        await journal.close()
    say(f"Revoked: {kind} {name}. Running relays apply it within {POLL_S:g} s.")


async def _secret(settings: Config, task: str | None) -> str:
    """Return the secret that signs tokens. If there is a store, check that it has the task."""
    path = settings.sqlite_path
    if settings.postgres_dsn is None and (path is None or not path.exists()):
        if settings.token_secret is None:  # a secret generated here would be unknown to every relay
            raise ConfigError(
                f"RELAY_TOKEN_SECRET: not set, and there is no store at {settings.store_name} that has a secret; "
                "set it, or run `relay serve` first"
            )
        return settings.token_secret.get_secret_value()
    journal = make_journal(settings)
    await journal.open(lock=False)
    try:
        if task is not None and await journal.snapshot(task) is None:
            raise RelayError(f"there is no task {task} in {settings.store_name}")
        return await token_secret(settings, journal)
    finally:
        await journal.close()
