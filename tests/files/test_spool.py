"""Uploads on the disk: bounded, private, there for as long as somebody needs them and no longer."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest

from relay.core.upstream import File
from relay.errors import Code, ConfigError, RequestError
from relay.files.spool import Parcel, Spool, parcel_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
async def spool(folder: Path) -> Spool:
    """A spool for files of a hundred bytes, and two of these."""
    spool = Spool(folder, file_limit_bytes=100, limit_bytes=200)
    await spool.open(())
    return spool


async def chunks(*given: bytes) -> AsyncIterator[bytes]:
    for chunk in given:
        yield chunk


async def add(parcel: Parcel, *given: bytes) -> None:
    await parcel.add("image", "cat.png", "image/png", chunks(*given))


async def kept(spool: Spool, *given: bytes) -> tuple[File, ...]:
    async with spool.parcel() as parcel:
        await add(parcel, *given)
        return parcel.hand_over()


def lying(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def entries(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_a_file_is_kept_as_it_came(spool: Spool, folder: Path) -> None:
    """Its size and digest are known, and nobody else can read it."""
    (file,) = await kept(spool, b"abc", b"", b"def")
    (there,) = spool.located([file])

    assert there.path.read_bytes() == b"abcdef"
    assert (file.size_bytes, file.sha256) == (6, sha256(b"abcdef").hexdigest())
    assert (file.input, file.filename, file.content_type) == ("image", "cat.png", "image/png")
    assert not file.path.is_absolute()
    assert [path.stat().st_mode & 0o077 for path in (there.path, there.path.parent, folder)] == [0, 0, 0]


async def test_what_nobody_took_over_is_thrown_away(spool: Spool, folder: Path) -> None:
    """Also where all went well, as with a file that is passed on at once."""
    async with spool.parcel() as parcel:
        await add(parcel, b"abc")
        assert spool.used_bytes == 3

    assert lying(folder) == []
    assert spool.used_bytes == 0


async def test_what_is_released_is_gone_and_may_be_released_again(spool: Spool, folder: Path) -> None:
    """Its room is free for others."""
    files = await kept(spool, b"abc")
    assert spool.used_bytes == 3

    await spool.release(files)
    await spool.release(files)

    assert lying(folder) == []
    assert spool.used_bytes == 0


async def test_a_file_beyond_its_limit_is_not_read_to_its_end(spool: Spool) -> None:
    """The hundredth byte is taken, the one after it refused, and what comes then not asked for."""
    asked = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            asked.append(1)
            yield b"x" * 50

    with pytest.raises(RequestError) as caught:
        async with spool.parcel() as parcel:
            await parcel.add("image", "cat.png", "image/png", endless())

    assert caught.value.code is Code.PAYLOAD_TOO_LARGE
    assert len(asked) == 3
    assert spool.used_bytes == 0


async def test_there_is_room_for_so_much_in_all(spool: Spool) -> None:
    """Who comes later is told to come again, and can when others are gone."""
    first, _ = await kept(spool, b"x" * 100), await kept(spool, b"x" * 100)

    with pytest.raises(RequestError) as caught:
        await kept(spool, b"x")
    await spool.release(first)

    assert caught.value.code is Code.RATE_LIMITED
    assert await kept(spool, b"x" * 100)


async def test_a_restart_keeps_what_is_needed_and_sweeps_the_rest(spool: Spool, folder: Path) -> None:
    """What is kept takes its room."""
    needed, _ = await kept(spool, b"abc"), await kept(spool, b"defg")

    again = Spool(folder, file_limit_bytes=100, limit_bytes=200)
    await again.open({parcel_of(file) for file in needed})

    assert lying(folder) == [file.path for file in again.located(needed)]
    assert again.used_bytes == 3


async def test_what_is_none_of_ours_is_left_alone(spool: Spool, folder: Path) -> None:
    """A volume has a folder of its own, and somebody may have dropped a file."""
    (folder / "lost+found").mkdir()
    (folder / "note").write_bytes(b"hello")
    (folder / ("0" * 32)).symlink_to(folder / "lost+found")

    again = Spool(folder, file_limit_bytes=100, limit_bytes=200)
    await again.open(())

    assert {path.name for path in entries(folder)} == {"lost+found", "note", "0" * 32}
    assert again.used_bytes == 0


async def test_whoever_is_cancelled_at_any_moment_leaves_nothing(spool: Spool, folder: Path) -> None:
    """In the middle of a write, and of being thrown away."""

    async def bring() -> None:
        async with spool.parcel() as parcel:
            await add(parcel, b"abc", b"def", b"ghi")

    for turns in range(40):
        bringing = asyncio.create_task(bring())
        for _ in range(turns):
            await asyncio.sleep(0)
        bringing.cancel()
        await asyncio.gather(bringing, return_exceptions=True)
    await spool.close()

    assert lying(folder) == []
    assert entries(folder) == []
    assert spool.used_bytes == 0


async def test_a_folder_that_cannot_be_had_is_told(tmp_path: Path) -> None:
    """In one line, to the operator."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="cannot keep uploads in"):
        await Spool(tmp_path / "file", file_limit_bytes=1, limit_bytes=1).open(())


async def test_a_disk_that_fails_is_told_and_leaves_nothing(spool: Spool, folder: Path) -> None:
    """The caller is told that it is our fault, the log why."""
    shutil.rmtree(folder)

    with pytest.raises(RequestError) as caught:
        await kept(spool, b"abc")

    assert caught.value.code is Code.INTERNAL
    assert str(folder) not in caught.value.detail
