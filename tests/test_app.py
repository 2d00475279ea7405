"""The composition root and parts.py: what a relay generates once, and what stops it from starting."""

import asyncio
from pathlib import Path

import pytest

from relay.access.kept_secrets import token_secret
from relay.app import running
from relay.config import Config
from relay.errors import ConfigError
from relay.journal.memory import MemoryJournal
from relay.parts import make_journal, make_providers
from tests.conftest import MakeRelay


async def test_an_api_key_and_a_token_secret_are_generated_once(make_relay: MakeRelay, tmp_path: Path) -> None:
    """They are stored, so that links and tokens survive a restart."""
    seen = set()
    for _ in range(2):
        async with make_relay(store=f"sqlite:///{tmp_path}/relay.db", api_keys=()) as relay:
            assert relay.made_key
            assert relay.api_key not in repr(relay)
            seen.add((relay.api_key, await token_secret(relay.context.config, relay.journal)))
    assert len(seen) == 1


async def test_configured_secrets_are_used(make_relay: MakeRelay) -> None:
    """Nothing is generated."""
    secret = "a-secret-of-more-than-32-characters"
    async with make_relay(token_secret=secret) as relay:
        assert not relay.made_key
        assert await token_secret(relay.context.config, relay.journal) == secret


async def test_a_login_link_works_once(make_relay: MakeRelay) -> None:
    """Its code is in the fragment, which browsers do not send."""
    async with make_relay() as relay:
        url, _, code = relay.login_link().partition("/#code=")
        assert url == relay.url
        assert await relay.context.login_codes.redeem(code)
        assert not await relay.context.login_codes.redeem(code)


async def test_an_address_in_use_is_a_config_error(make_relay: MakeRelay) -> None:
    """The message names the settings."""
    async with make_relay() as relay:
        port = int(relay.url.rpartition(":")[2])
        with pytest.raises(ConfigError, match=f"RELAY_HOST, RELAY_PORT: cannot listen on 127.0.0.1:{port}"):
            async with make_relay(port=port):
                pass


async def test_an_ipv6_address_has_brackets_in_the_url(make_relay: MakeRelay) -> None:
    """As RFC 3986, section 3.2.2 requires."""
    async with make_relay(host="::1") as relay:
        assert relay.url.startswith("http://[::1]:")


def test_only_providers_with_credentials_are_created() -> None:
    """Without any, the relay still serves what it has stored."""
    config = Config.model_validate({"store": "memory:"})
    assert make_providers(config) == {}
    assert isinstance(make_journal(config), MemoryJournal)


async def test_a_relay_without_providers_starts() -> None:
    """Starting a task is rejected then."""
    async with asyncio.timeout(30), running(Config.model_validate({"store": "memory:", "port": 0})) as relay:
        assert relay.context.tasks.following == 0
