"""
The spool: uploads on the disk are limited in size, private, and kept only as long as they are needed.

`relay.files.upload` and `relay.files.file_writer` are tested here too: neither is used without the other two.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from relay.core.upstream import File
from relay.errors import Code, ConfigError, RequestError
from relay.files.file_writer import FileWriter
from relay.files.spool import Spool, upload_of
from relay.files.upload import Upload


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
async def spool(folder: Path) -> Spool:
    """A spool for files of up to 100 bytes, and 200 bytes in total."""
    spool = Spool(folder, file_limit_bytes=100, limit_bytes=200)
    await spool.open(())
    return spool


async def chunks(*given: bytes) -> AsyncIterator[bytes]:
    for chunk in given:
        yield chunk


async def add(upload: Upload, *given: bytes) -> None:
    await upload.add("image", "cat.png", "image/png", chunks(*given))


async def store(spool: Spool, *given: bytes) -> tuple[File, ...]:
    async with Upload(spool) as upload:
        await add(upload, *given)
        return upload.hand_over()


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def entries(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_a_file_is_stored_as_it_was_received(spool: Spool, folder: Path) -> None:
    """Its size and digest are computed, and no other user can read it."""
    (file,) = await store(spool, b"abc", b"", b"def")
    (located,) = spool.located([file])

    assert located.path.read_bytes() == b"abcdef"
    assert (file.size_bytes, file.sha256) == (6, sha256(b"abcdef").hexdigest())
    assert (file.input, file.filename, file.content_type) == ("image", "cat.png", "image/png")
    assert not file.path.is_absolute()
    assert [path.stat().st_mode & 0o077 for path in (located.path, located.path.parent, folder)] == [0, 0, 0]
    assert repr(spool) == "<Spool uploads=1 bytes=6>"


async def test_an_upload_that_is_not_handed_over_is_deleted(spool: Spool, folder: Path) -> None:
    """Even if no error occurred, as with a file that is sent on at once."""
    async with Upload(spool) as upload:
        await add(upload, b"abc")
        assert spool.used_bytes == 3

    assert files_in(folder) == []
    assert spool.used_bytes == 0


async def test_releasing_files_frees_their_space_and_is_idempotent(spool: Spool, folder: Path) -> None:
    """A task may release its files more than once."""
    files = await store(spool, b"abc")
    assert spool.used_bytes == 3

    await spool.release(files)
    await spool.release(files)

    assert files_in(folder) == []
    assert spool.used_bytes == 0


async def test_a_file_beyond_the_limit_is_not_read_to_its_end(spool: Spool) -> None:
    """The chunk that exceeds the limit is rejected, and no further chunk is read."""
    reads = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            reads.append(1)
            yield b"x" * 50

    with pytest.raises(RequestError) as caught:
        async with Upload(spool) as upload:
            await upload.add("image", "cat.png", "image/png", endless())

    assert caught.value.code is Code.PAYLOAD_TOO_LARGE
    assert len(reads) == 3
    assert spool.used_bytes == 0


async def test_a_full_spool_rejects_uploads_until_files_are_released(spool: Spool) -> None:
    """The limit covers all files together."""
    first, _ = await store(spool, b"x" * 100), await store(spool, b"x" * 100)

    with pytest.raises(RequestError, match="may use 200 bytes") as caught:
        await store(spool, b"x")
    await spool.release(first)

    assert caught.value.code is Code.RATE_LIMITED
    assert await store(spool, b"x" * 100)


async def test_a_restart_keeps_the_uploads_that_are_needed_and_deletes_the_rest(spool: Spool, folder: Path) -> None:
    """The uploads that are kept count towards the limit."""
    needed, _ = await store(spool, b"abc"), await store(spool, b"defg")

    restarted = Spool(folder, file_limit_bytes=100, limit_bytes=200)
    await restarted.open({upload_of(file) for file in needed})

    assert files_in(folder) == [file.path for file in restarted.located(needed)]
    assert restarted.used_bytes == 3


async def test_unknown_entries_of_the_directory_are_left_alone(spool: Spool, folder: Path) -> None:
    """A volume has `lost+found`, and an operator may have put a file there."""
    (folder / "lost+found").mkdir()
    (folder / "note").write_bytes(b"hello")
    (folder / ("0" * 32)).symlink_to(folder / "lost+found")

    restarted = Spool(folder, file_limit_bytes=100, limit_bytes=200)
    with capture_logs() as lines:
        await restarted.open(())

    assert {path.name for path in entries(folder)} == {"lost+found", "note", "0" * 32}
    assert restarted.used_bytes == 0
    assert {line["event"] for line in lines} == {"spool.unknown_entry_skipped"}


async def test_a_request_that_is_cancelled_at_any_moment_leaves_no_file(spool: Spool, folder: Path) -> None:
    """Neither while a file is written nor while the upload is deleted."""

    async def receive() -> None:
        async with Upload(spool) as upload:
            await add(upload, b"abc", b"def", b"ghi")

    for turns in range(40):
        receiving = asyncio.create_task(receive())
        for _ in range(turns):
            await asyncio.sleep(0)
        receiving.cancel()
        await asyncio.gather(receiving, return_exceptions=True)
    await spool.close()

    assert entries(folder) == []
    assert spool.used_bytes == 0


async def test_a_directory_that_cannot_be_created_is_a_config_error(tmp_path: Path) -> None:
    """One line for the operator."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="cannot store uploads in"):
        await Spool(tmp_path / "file", file_limit_bytes=1, limit_bytes=1).open(())


async def test_a_failing_disk_is_an_internal_error_without_a_path(spool: Spool, folder: Path) -> None:
    """The log has the reason; the client does not learn where files are stored."""
    shutil.rmtree(folder)

    with capture_logs() as lines, pytest.raises(RequestError) as caught:
        await store(spool, b"abc")

    assert caught.value.code is Code.INTERNAL
    assert str(folder) not in caught.value.detail
    assert [line["event"] for line in lines] == ["spool.write_failed"]


async def test_an_upload_that_cannot_be_deleted_still_counts(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files still take space on the disk."""

    def fail(_path: Path) -> None:
        raise PermissionError("read-only file system")

    files = await store(spool, b"abc")
    monkeypatch.setattr(shutil, "rmtree", fail)
    with capture_logs() as lines:
        await spool.release(files)

    assert spool.used_bytes == 3
    assert [line["event"] for line in lines] == ["spool.delete_failed"]


def test_a_file_is_opened_before_it_is_written_to(tmp_path: Path) -> None:
    """Anything else is a mistake of the caller."""
    with pytest.raises(AssertionError, match="open the file"):
        FileWriter(tmp_path / "a" / "b").append(b"x")


async def test_an_upload_that_another_process_may_need_is_kept(spool: Spool, folder: Path) -> None:
    """Several nodes may use one directory. Old uploads are deleted: nothing can need them any more."""
    young, old = await store(spool, b"young"), await store(spool, b"old")
    os.utime(folder / upload_of(old[0]), (1.0, 1.0))
    restarted = Spool(folder, file_limit_bytes=100, limit_bytes=200)
    await restarted.open((), older_than_s=3600.0)

    assert (await restarted.has(young), await restarted.has(old)) == (True, False)
    assert restarted.used_bytes == 0


async def test_a_spool_has_files_only_if_it_has_all(spool: Spool, folder: Path) -> None:
    """A task without files needs none."""
    async with Upload(spool) as upload:
        await add(upload, b"one")
        await add(upload, b"two")
        files = upload.hand_over()
    assert await spool.has(files)
    assert await spool.has(())
    (folder / files[1].path).unlink()
    assert not await spool.has(files)
