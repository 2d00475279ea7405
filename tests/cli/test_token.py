"""`relay token --tag`: mint a token for all tasks of a tag."""

import asyncio
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from relay.access.grants import Access
from relay.cli.main import cli
from relay.journal.sqlite import SQLiteJournal

SECRET = "a-secret-of-more-than-32-characters"


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def token(*arguments: str, **settings: str) -> Result:
    return CliRunner().invoke(cli, ["token", *arguments], env=settings)


def test_a_token_for_a_tag_has_that_tag_scope_and_lifetime() -> None:
    """The only line of output is the token."""
    ended = token("--tag", "shop:7", "--scope", "view cancel", "--ttl", "60", RELAY_TOKEN_SECRET=SECRET)

    grant = Access([], SECRET, time.time).check(ended.stdout.strip())
    assert ended.exit_code == 0
    assert (grant.tag, grant.task, sorted(grant.scopes)) == ("shop:7", None, ["cancel", "view"])
    assert 0 < (grant.expires_at or 0) - time.time() <= 60


def test_a_tag_needs_no_task_yet() -> None:
    """The secret of an empty store is enough."""

    async def make_store() -> str:
        journal = SQLiteJournal(Path("relay.db"))
        await journal.open(lock=False)
        kept = await journal.keep_secret("token_secret", SECRET)
        await journal.close()
        return kept

    kept = asyncio.run(make_store())
    ended = token("--tag", "shop:7")

    assert ended.exit_code == 0
    assert Access([], kept, time.time).check(ended.stdout.strip()).tag == "shop:7"


@pytest.mark.parametrize(
    "arguments", [(), ("some-task", "--tag", "shop"), ("--tag", ""), ("--tag", "a\nb"), ("--tag", "x" * 65)], ids=str
)
def test_a_token_needs_one_task_or_one_valid_tag(arguments: tuple[str, ...]) -> None:
    """With neither, both or an invalid tag, nothing is minted."""
    ended = token(*arguments, RELAY_TOKEN_SECRET=SECRET)

    assert ended.exit_code == 2
    assert "ey" not in ended.stdout


def test_a_start_token_has_its_rules() -> None:
    """Texts of inputs need no quotes."""
    given = ("--model", "a/*", "--model", "b/c", "--running", "2", "--per-hour", "20", "--spend-usd", "5")
    inputs = ("--input", "size=2K", "--input", 'n={"max": 2}')
    ended = token("--tag", "u", "--scope", "start view", *given, *inputs, RELAY_TOKEN_SECRET=SECRET)

    start = Access([], SECRET, time.time).check(ended.stdout.strip()).start
    assert start is not None
    assert start.models == ["a/*", "b/c"]
    assert (start.limits.running, start.limits.per_hour, start.limits.spend_usd) == (2, 20, 5.0)
    assert start.inputs == {"size": "2K", "n": {"max": 2}}


@pytest.mark.parametrize(
    "arguments",
    [
        ("some-task", "--scope", "start"),
        ("--tag", "u", "--running", "2"),
        ("--tag", "u", "--scope", "start", "--input", "n"),
        ("--tag", "u", "--scope", "start", "--model", "nonsense"),
    ],
    ids=str,
)
def test_a_start_token_with_an_invalid_rule_is_not_minted(arguments: tuple[str, ...]) -> None:
    ended = token(*arguments, RELAY_TOKEN_SECRET=SECRET)

    assert ended.exit_code != 0
    assert "ey" not in ended.stdout
