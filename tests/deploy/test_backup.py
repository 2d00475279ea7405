"""A backup that is taken while tasks run, with the commands as processes."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest

from relay.sandbox import Sandbox
from tests.conftest import MakeRelay
from tests.relay_tasks import client_of, result, start
from tests.shell import Ended, Shell, one_line

pytestmark = pytest.mark.deploy

TASKS = 50


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


async def command(shell: Shell, *arguments: str) -> Ended:
    """Run a command on the store in the folder, which must succeed."""
    ended = await shell.run("store", *arguments)
    assert (ended.code, ended.err) == (0, ""), ended
    return ended


async def test_a_backup_of_50_running_tasks_restores_all_of_them(
    shell: Shell, make_relay: MakeRelay, sandbox: Sandbox, tmp_path: Path
) -> None:
    """
    Others start and end while the backup is made, and the 50 end after it.

    The relay on the restored store follows all 50 to their ends and sends none a second time. The former store is kept.
    The epoch is new, so a viewer of before gets the whole state.
    """
    path = tmp_path / "relay.db"
    async with make_relay(store=f"sqlite:///{path}") as relay, client_of(relay) as client:
        holds = [f"hold_at={('task_queue', 'task_start')[number % 2]}" for number in range(TASKS)]
        tasks = await asyncio.gather(*(start(client, hold) for hold in holds))
        others, backup = await asyncio.gather(several(client, 5), command(shell, "backup", "backup.db"))
        refused = await shell.run("store", "restore", "backup.db")
        later = await start(client, "")
        for run in list(sandbox.tasks):
            sandbox.release(run)
        assert {await result(client, task) for task in (*tasks, later)} == {"succeeded"}
        epoch = relay.journal.epoch
    assert "The copy was read completely and is intact." in backup.out
    assert refused.code == 1
    assert "is in use by another relay" in one_line(refused)
    runs = len(sandbox.runs)

    await command(shell, "restore", "backup.db")

    async with make_relay(store=f"sqlite:///{path}") as relay, client_of(relay) as client:
        assert [await result(client, task) for task in tasks] == ["succeeded"] * TASKS
        async with client.get(f"/v1/tasks/{later}") as answer:
            assert answer.status == 404
        assert relay.journal.epoch != epoch
    assert len(sandbox.runs) == runs
    with closing(sqlite3.connect(former_store(tmp_path))) as connection:
        assert connection.execute("SELECT count(*) FROM tasks").fetchone() == (TASKS + len(others) + 1,)
    assert "sqlite:///relay.db is intact: " in (await command(shell, "check")).out


def former_store(folder: Path) -> Path:
    """Return the store that a restore has kept."""
    (former,) = folder.glob("relay.db.before-*Z")
    return former


async def several(client: aiohttp.ClientSession, count: int) -> list[str]:
    """Run tasks to their ends, one after the other, and return their ids."""
    tasks = [await start(client, "") for _ in range(count)]
    assert {await result(client, task) for task in tasks} == {"succeeded"}
    return tasks
