"""`relay token`: mint or revoke viewer tokens on the machine that has the store."""

import time

from relay.access.grants import Access, revocation
from relay.access.kept_secrets import token_secret
from relay.access.revocations import POLL_S
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


async def mint_for_tag(settings: Config, tag: str, scope: str, ttl_s: int | None) -> None:
    """
    Print a token for all tasks of a tag. The tag need not have a task yet.

    Raises:
        ConfigError: no secret is known.
    """
    access = Access([], await _secret(settings, None), time.time)
    minted, _ = access.mint_tag(tag, scope=scope, ttl_s=ttl_s or settings.token_ttl_s)
    say(minted)


async def revoke_tokens(settings: Config, kind: Kind, name: str) -> None:
    """
    Revoke tokens. Relays that run with the store apply it within seconds.

    Raises:
        RelayError: there is no store, or it failed.
    """
    path = settings.sqlite_path
    if settings.postgres_dsn is None and (path is None or not path.exists()):
        raise RelayError(f"there is no store at {settings.store_name}; `POST /v1/tokens/revoke` revokes without one")
    journal = make_journal(settings)
    await journal.open(lock=False)
    try:
        await journal.revocations.add(revocation(kind, name, time.time()))
    finally:
        await journal.close()
    say(f"Revoked: {kind} {name}. Relays that run apply it within {POLL_S:g} s.")


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
