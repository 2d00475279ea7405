"""`relay webhook test`: it sends what the receivers verify, and fails if one does not accept it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from relay.cli.main import cli
from tests.webhooks.receiver import SECRET, Receiver, answer


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as running:
        yield running


async def run(*arguments: str, **settings: str) -> Result:
    """Run the command in another thread, because the receiver answers in this one."""
    return await asyncio.to_thread(CliRunner().invoke, cli, ["webhook", "test", *arguments], env=settings)


async def test_every_receiver_of_the_settings_gets_a_webhook(receiver: Receiver) -> None:
    """Each one is printed with its answer."""
    urls = [receiver.url, f"{receiver.url}/2"]
    ended = await run(RELAY_WEBHOOK_URL=",".join(urls), RELAY_WEBHOOK_SECRET=SECRET)
    assert ended.exit_code == 0, ended.output
    assert ended.stdout.splitlines() == [f"{url}  HTTP 200" for url in urls]
    assert [each["type"] for each in receiver.accepted] == ["relay.test"] * 2


async def test_a_receiver_that_does_not_accept_it_is_a_failure(receiver: Receiver) -> None:
    """A receiver that is named needs no setting but the secret."""
    receiver.next.append(answer(500))
    ended = await run(receiver.url, RELAY_WEBHOOK_SECRET=SECRET)
    assert ended.stdout == f"{receiver.url}  HTTP 500\n"
    assert "1 of 1 receivers did not accept the webhook" in str(ended.exception)


@pytest.mark.parametrize(
    ("arguments", "settings", "problem"),
    [
        ((), {}, "RELAY_WEBHOOK_SECRET: not set"),
        ((), {"RELAY_WEBHOOK_SECRET": SECRET}, "RELAY_WEBHOOK_URL: not set"),
        (("ftp://a.example",), {"RELAY_WEBHOOK_SECRET": SECRET}, "URL: use http:// or https://"),
    ],
)
async def test_a_missing_setting_is_named(arguments: tuple[str, ...], settings: dict[str, str], problem: str) -> None:
    """Nothing is sent."""
    ended = await run(*arguments, **settings)
    assert problem in str(ended.exception)
