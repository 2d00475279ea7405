"""`relay store check`, `backup`, `restore` and `vacuum`: what they print, and what they refuse."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest

from relay import log
from relay.cli import store_maintenance
from relay.errors import RelayError
from tests.conftest import MakeRelay
from tests.relay_tasks import client_of, result, start

Call = Callable[..., Awaitable[None]]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Return a function that runs a command in this process, in a folder with a store."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(log, "configure", lambda *_: None)  # it would configure the log of all tests
    commands: dict[str, Callable[..., None]] = {
        "backup": store_maintenance.back_up,
        "check": store_maintenance.check_store,
        "restore": store_maintenance.restore,
        "vacuum": store_maintenance.vacuum,
    }

    async def run(command: str, *files: str, store: str = "sqlite:///relay.db") -> None:
        monkeypatch.setenv("RELAY_STORE", store)
        await asyncio.to_thread(commands[command], *map(Path, files))

    return run


async def test_a_restore_into_an_empty_folder_keeps_the_uploads(
    call: Call, make_relay: MakeRelay, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A backup has the uploads of the spool, and nothing else is needed on another machine."""
    async with make_relay(store="sqlite:///relay.db") as relay:
        upload = relay.context.spool._folder / ("0" * 32)
        upload.mkdir()
        (upload / "cat.png").write_bytes(b"cat")
        await call("backup", "backup.db")
        with pytest.raises(RelayError, match=r"^backup\.db or backup\.db\.spool already exists; name a new file$"):
            await call("backup", "backup.db")
    other = tmp_path / "other"
    other.mkdir()

    await call("restore", "backup.db", store="sqlite:///other/relay.db")

    assert "Uploads of unfinished tasks are in backup.db.spool." in capsys.readouterr().out
    assert (other / "relay.db.spool" / ("0" * 32) / "cat.png").read_bytes() == b"cat"
    assert names(other) == ["relay.db", "relay.db.lock", "relay.db.spool"]


async def test_damage_is_reported_and_a_damaged_backup_is_not_restored(
    call: Call, make_relay: MakeRelay, tmp_path: Path
) -> None:
    """With the id of each task that cannot be read. The store that is there stays."""
    async with make_relay(store="sqlite:///relay.db") as relay, client_of(relay) as client:
        task = await start(client, "")
        await result(client, task)
    await call("backup", "backup.db")
    with closing(sqlite3.connect(tmp_path / "backup.db")) as connection:
        connection.execute("UPDATE events SET body = x'00' WHERE seq = 2")
        connection.commit()
    before = [name for name in names(tmp_path) if name != "relay.db.lock"]

    with pytest.raises(RelayError, match=task):
        await call("restore", "backup.db")
    broken = (tmp_path / "backup.db").read_bytes()
    (tmp_path / "backup.db").write_bytes(broken[: len(broken) // 2])
    with pytest.raises(RelayError, match=r"backup\.db"):
        await call("restore", "backup.db")

    assert [name for name in names(tmp_path) if name != "relay.db.lock"] == before
    await call("check")
    with pytest.raises(RelayError, match=r"backup\.db"):
        await call("check", store="sqlite:///backup.db")


async def test_vacuum_makes_a_file_smaller(
    call: Call, make_relay: MakeRelay, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It refuses while a relay uses the store."""
    path = tmp_path / "relay.db"
    async with make_relay(store="sqlite:///relay.db"):
        with pytest.raises(RelayError, match="is in use by another relay"):
            await call("vacuum")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE filler AS SELECT zeroblob(1000000)")
        connection.execute("DROP TABLE filler")
        connection.commit()
    before = path.stat().st_size

    await call("vacuum")

    assert path.stat().st_size < before - 900_000
    assert f"had {before} bytes and now has {path.stat().st_size} bytes." in capsys.readouterr().out


def names(folder: Path) -> list[str]:
    """Return the names of everything in a folder."""
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("arguments", "store", "why"),
    [
        (("backup", "x.db"), "postgresql://relay:hidden@db.example/relay", "use pg_dump or pg_basebackup"),
        (("restore", "x.db"), "postgresql://relay:hidden@db.example/relay", "use pg_restore"),
        (("vacuum",), "postgresql://relay:hidden@db.example/relay", "use autovacuum"),
        (("check",), "memory:", "no other process can read"),
        (("check",), "sqlite:///missing.db", "there is no store at missing.db"),
        (("backup", "x.db"), "sqlite:///missing.db", "there is no store at missing.db"),
        (("restore", "missing.db"), "sqlite:///relay.db", "there is no store at missing.db"),
        (("vacuum",), "sqlite:///missing.db", "there is no store at missing.db"),
    ],
)
async def test_what_cannot_be_done_is_refused_in_one_line(
    arguments: tuple[str, ...], store: str, why: str, call: Call, tmp_path: Path
) -> None:
    """With what to use instead, without a password, and without creating a file."""
    with pytest.raises(RelayError) as caught:
        await call(*arguments, store=store)

    (line,) = str(caught.value).splitlines()
    assert why in line
    assert "hidden" not in line
    assert names(tmp_path) == []


async def test_a_postgresql_store_is_checked_too(
    call: Call, database: str, make_relay: MakeRelay, capsys: pytest.CaptureFixture[str]
) -> None:
    """Through the same reads as a relay's."""
    async with make_relay(store=database) as relay, client_of(relay) as client:
        await result(client, await start(client, ""))
        await call("check", store=database)

    assert " is intact: 1 tasks with " in capsys.readouterr().out
