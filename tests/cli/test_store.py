"""`relay store copy` as a process: what it prints, and that it can be interrupted."""

import re
import signal
from pathlib import Path

import pytest

from relay.core.events import State
from relay.journal.postgres.connection import close, connect
from relay.journal.postgres.migrations import migrate
from relay.journal.sqlite import SQLiteJournal
from tests.journal.postgres.records import create, event
from tests.preloaded import Preloaded
from tests.shell import Shell, one_line, printed

FILE = "sqlite:///relay.db"


@pytest.fixture
async def shell(tmp_path: Path, preloaded: Preloaded) -> Shell:
    """Return a shell in a folder with a store of three tasks, two of which have ended."""
    journal = SQLiteJournal(tmp_path / "relay.db")
    await journal.open(lock=True)
    for number in range(3):
        await create(journal, f"task-{number}")
    for number in range(2):
        await journal.append([event(f"task-{number}", 2), event(f"task-{number}", 3, State.SUCCEEDED)])
    await journal.close()
    return Shell(tmp_path, preloaded)


def named(dsn: str) -> str:
    """Return an address as the command shows it: without the user."""
    return dsn.replace("relay@", "")


async def test_a_copy_there_and_back_is_the_same(shell: Shell, database: str) -> None:
    """It says how much it has copied, and what both stores have."""
    with_password = database.replace("relay@", "relay:hidden@")
    there = await shell.run("store", "copy", FILE, with_password)
    back = await shell.run("store", "copy", with_password, "sqlite:///back.db")

    verified = r"Verified: both have the same 3 tasks, with the SHA-256 ([0-9a-f]{64})\."
    for ended, source, target in ((there, FILE, named(database)), (back, named(database), "sqlite:///back.db")):
        assert (ended.code, ended.err) == (0, "")
        assert f"Copied 3 tasks with 7 events from {source} to {target}." in ended.out.splitlines()
        assert "hidden" not in ended.out
    (first,), (second,) = re.findall(verified, there.out), re.findall(verified, back.out)
    assert first == second


async def test_a_repeated_copy_adds_nothing(shell: Shell) -> None:
    """It verifies the copy again."""
    await shell.run("store", "copy", FILE, "sqlite:///copy.db")

    ended = await shell.run("store", "copy", FILE, "sqlite:///copy.db")

    assert (ended.code, ended.err) == (0, "")
    assert f"Nothing to copy from {FILE} to sqlite:///copy.db." in ended.out
    assert "the same 3 tasks" in ended.out


async def test_an_interrupted_copy_is_continued(shell: Shell, database: str) -> None:
    """Ctrl-C rolls back what is not complete, and the same command continues."""
    connection = await connect(database, "test")
    await migrate(connection)
    async with shell.started("store", "copy", FILE, database) as process, connection.transaction():
        await connection.execute("LOCK TABLE events")  # the copy waits for it
        await printed(process, "(Copying)")
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    await close(connection)

    assert process.returncode == 130
    assert err.decode() == "Interrupted. Nothing in the source has changed. Run the command again to continue.\n"
    assert "Copied 3 tasks" in (await shell.run("store", "copy", FILE, database)).out


@pytest.mark.parametrize(
    "addresses",
    [(FILE,), (FILE, FILE), (FILE, "memory:"), ("memory:", FILE), ("relay.db", "sqlite:///to.db"), (FILE, "redis://x")],
    ids=" ".join,
)
async def test_wrong_addresses_are_wrong_usage(addresses: tuple[str, ...], shell: Shell) -> None:
    """Nothing is created."""
    before = sorted(shell.folder.iterdir())

    ended = await shell.run("store", "copy", *addresses)

    assert (ended.code, ended.out) == (2, "")
    assert sorted(shell.folder.iterdir()) == before


async def test_a_source_that_does_not_exist_is_not_created(shell: Shell) -> None:
    """Neither is the target."""
    ended = await shell.run("store", "copy", "sqlite:///nowhere.db", "sqlite:///to.db")

    assert ended.code == 1
    assert one_line(ended) == "relay: there is no store at nowhere.db"
    assert not list(shell.folder.glob("nowhere*")) + list(shell.folder.glob("to*"))


async def test_a_store_in_use_is_refused(shell: Shell) -> None:
    """A relay that runs is named by its file, and continues."""
    async with shell.started("serve", RELAY_PORT="0", RELAY_STORE="sqlite:///served.db") as process:
        await printed(process, r"(listens) on")

        ended = await shell.run("store", "copy", FILE, "sqlite:///served.db")

    assert ended.code == 1
    assert "served.db is in use by another relay" in one_line(ended)


async def test_an_unreachable_server_is_named_without_its_password(shell: Shell) -> None:
    """The second line says how to continue."""
    ended = await shell.run("store", "copy", FILE, "postgresql://relay:hidden@127.0.0.1:1/relay")

    assert ended.code == 1
    problem, hint = ended.err.splitlines()
    assert problem.startswith("relay: cannot connect to PostgreSQL at 127.0.0.1:1/relay: ")
    assert hint == "relay: Nothing in the source has changed. Run the command again to continue."
    assert "hidden" not in ended.out + ended.err


async def test_an_unfinished_copy_is_not_served(shell: Shell) -> None:
    """The line says how to complete it."""
    await shell.run("store", "copy", FILE, "sqlite:///copy.db")
    journal = SQLiteJournal(shell.folder / "copy.db")
    await journal.open(lock=True)
    await journal._opened().writer.do(lambda connection: connection.execute("INSERT INTO meta VALUES ('copying', '')"))
    await journal.close()

    ended = await shell.run("serve", RELAY_PORT="0", RELAY_STORE="sqlite:///copy.db", RELAY_LOG_LEVEL="warning")

    assert ended.code == 1
    assert one_line(ended).endswith("copy.db is not finished: run `relay store copy` again to continue it")


async def test_the_missing_package_of_an_extra_is_named(shell: Shell) -> None:
    """Every command that needs it says how to install it."""
    (shell.folder / "asyncpg.py").write_text("raise ImportError")  # found before the installed one
    dsn = "postgresql://127.0.0.1:1/relay"

    for arguments in (("store", "copy", FILE, dsn), ("nodes",), ("serve",), ("check",)):
        ended = await shell.run(*arguments, RELAY_STORE=dsn, RELAY_LOG_LEVEL="warning", WIRO_API_KEY="k" * 24)

        assert ended.code == 1
        assert "pip install 'generation-relay[postgres]'" in ended.err.splitlines()[0]
        assert "Traceback" not in ended.err
