"""The archive in a directory and in a bucket: what is kept, and what becomes of results that are late or wrong."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from relay.archive import archive as archive_module
from relay.archive.archive import Archive, ArchiveLimits
from relay.archive.layout import FILE, prefix_of
from relay.archive.reach import Reach
from relay.archive.store import ArchiveStore
from relay.core.events import Output
from relay.core.upstream import File
from relay.errors import StoreError
from relay.journal.file_copies import CopyState, FileCopy
from relay.sandbox.shared import pictures
from tests.archive.bucket import S3Server
from tests.archive.conftest import NOW, Lab
from tests.archive.origin import Hosted, Origin

CLIP = pictures.CLIP_PATH.read_bytes()
PNG = pictures.draw("archive", 64, 48)


async def content(archive: Archive, copy: FileCopy, name: str = FILE) -> bytes | None:
    """Return what the archive has; null if it does not have it."""
    if archive.store.is_local:
        path = archive.store.path(prefix_of(copy), name)
        return path.read_bytes() if path.exists() else None
    url = await archive.store.signed(prefix_of(copy), name)
    async with aiohttp.ClientSession() as client, client.get(url) as answer:
        return await answer.read() if answer.status == 200 else None


@asynccontextmanager
async def kept(lab: Lab, origin: Origin, file: Hosted, **fields: object) -> AsyncIterator[tuple[Archive, FileCopy]]:
    """Have one result copied. Yields the archive and what became of the copy."""
    archive = await lab.start()
    output = Output(content_type="image/png", name="a.png", url=origin.host("a.png", file))
    await lab.end("a", replace(output, **fields))  # type: ignore[arg-type]
    (copy,) = await lab.settled("a")
    yield archive, copy


async def test_results_are_kept(lab: Lab, origin: Origin) -> None:
    """With their size, type and hash; an answer has no file."""
    archive = await lab.start()
    await lab.end(
        "a",
        Output(content_type="image/png", name="ä.png", url=origin.host("0", Hosted(body=PNG)), size=len(PNG)),
        Output(content_type="raw", content={"answer": ["Hello."]}),
        Output(content_type="text/plain", url=origin.host("1", Hosted(body=b"one two", content_type="text/plain"))),
    )
    first, second = await lab.settled("a")
    assert (first.part, first.state, first.kept_at, first.attempts) == ("outputs/0", CopyState.KEPT, NOW, 1)
    assert (first.content_type, first.size_bytes) == ("image/png", len(PNG))
    assert first.sha256 == hashlib.sha256(PNG).hexdigest()
    assert await content(archive, first) == PNG
    assert (second.part, second.state, second.content_type) == ("outputs/2", CopyState.KEPT, "text/plain")
    assert await content(archive, second) == b"one two"
    assert await archive.kept("a", "outputs/0") == first
    assert await archive.kept("a", "outputs/1") is None


async def test_a_late_result_is_requested_again(lab: Lab, origin: Origin) -> None:
    """Whatever the platform answers meanwhile."""
    for status in (404, 403, 503):
        file = Hosted(body=PNG, late=3, status=status)
        await lab.end(f"a{status}", Output(content_type="image/png", url=origin.host(str(status), file)))
    await lab.start()
    for _ in range(3):
        (copy,) = await lab.settled()
        assert (copy.state, copy.attempts) == (CopyState.KEPT, 4)


async def test_a_result_that_never_comes_has_failed(lab: Lab, origin: Origin) -> None:
    """The reason is that of the last attempt, and nothing is in the archive."""
    async with kept(lab, origin, Hosted(late=99)) as (archive, copy):
        assert (copy.state, copy.attempts, copy.reason) == (CopyState.FAILED, 4, "The platform answered HTTP 404.")
        assert await content(archive, copy) is None


async def test_a_page_instead_of_a_picture_is_not_kept(lab: Lab, origin: Origin) -> None:
    """Some hosts answer 200 while a file is not ready."""
    file = Hosted(body=b"<!DOCTYPE html><title>Soon</title>", content_type="text/html")
    async with kept(lab, origin, file) as (_, copy):
        assert copy.state is CopyState.FAILED
        assert copy.reason == "The platform sent a page instead of the file, which is image/png."


async def test_a_file_that_is_too_small_is_not_kept(lab: Lab, origin: Origin) -> None:
    """The platform's size is the least that the file must have: it may still be copied there."""
    async with kept(lab, origin, Hosted(body=PNG), size=len(PNG) + 1) as (archive, copy):
        assert copy.state is CopyState.FAILED
        assert copy.reason == f"The file has {len(PNG)} bytes; the platform has stated {len(PNG) + 1}."
        assert await content(archive, copy) is None


@pytest.mark.parametrize("size", [None, 11 * 2**20])
async def test_a_file_above_the_limit_is_refused(lab: Lab, origin: Origin, size: int | None) -> None:
    """At once, whether or not the platform says how large it is."""
    lab.limits = ArchiveLimits(file_bytes=10, total_bytes=2**40, age_s=0.0)
    async with kept(lab, origin, Hosted(body=PNG, size=size)) as (archive, copy):
        assert (copy.state, copy.attempts) == (CopyState.FAILED, 1)
        assert copy.reason is not None
        assert "the limit is 10 (RELAY_ARCHIVE_FILE_LIMIT)" in copy.reason
        assert await content(archive, copy) is None


async def test_a_broken_download_goes_on_where_it_ended(lab: Lab, origin: Origin) -> None:
    """Only what is missing is requested again, of the same file."""
    file = Hosted(body=PNG, size=3 * 2**20, breaks=2)
    async with kept(lab, origin, file) as (archive, copy):
        assert (copy.state, copy.attempts, copy.size_bytes) == (CopyState.KEPT, 1, 3 * 2**20)
        assert await content(archive, copy) == PNG + bytes(3 * 2**20 - len(PNG))
    assert len(file.requests) == 3
    assert all(int(each["Range"][6:-1]) > 0 and each["If-Range"] == '"one"' for each in file.requests[1:])


async def test_without_ranges_a_broken_download_is_repeated(lab: Lab, origin: Origin) -> None:
    """What was stored of it is gone."""
    file = Hosted(body=PNG, size=3 * 2**20, breaks=1, ranges=False)
    async with kept(lab, origin, file) as (archive, copy):
        assert (copy.state, copy.attempts) == (CopyState.KEPT, 2)
        assert await content(archive, copy) == PNG + bytes(3 * 2**20 - len(PNG))


async def test_a_copy_that_was_interrupted_is_made_again(
    lab: Lab, origin: Origin, kind: str, request: pytest.FixtureRequest
) -> None:
    """Nothing is left of the first one, not even in the bucket."""
    file = Hosted(body=PNG, size=12 * 2**20, gate=asyncio.Event())
    output = Output(content_type="image/png", name="a.png", url=origin.host("a.png", file))
    async with await lab.start() as first:
        await lab.end("a", output)
        await file.halfway.wait()
    (copy,) = await lab.journal.copies.of_task("a")
    assert copy.state is CopyState.WAITING
    assert await content(first, copy) is None
    if kind == "bucket":
        server: S3Server = request.getfixturevalue("bucket_environment")
        assert await server.unfinished(lab.url.removeprefix("s3://").partition("/")[0]) == 0

    assert file.gate is not None
    file.gate.set()
    await lab.journal.copies.settle(copy)  # the next process has the claims of the first one
    second = await lab.start()
    (copy,) = await lab.settled("a")
    assert copy.state is CopyState.KEPT
    assert await content(second, copy) == PNG + bytes(12 * 2**20 - len(PNG))


async def test_copies_go_with_their_task(lab: Lab, origin: Origin) -> None:
    """The file and its row."""
    async with kept(lab, origin, Hosted(body=PNG)) as (archive, copy):
        await lab.journal.prune(ended_before=100.0, limit=9)
        while await lab.journal.copies.find("a", copy.part) is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert await content(archive, copy) is None


async def upload(lab: Lab, body: bytes) -> File:
    """Store an uploaded file in the spool."""

    async def chunks() -> AsyncIterator[bytes]:
        yield body

    path = Path(lab.spool.new_upload_id(), "0")
    size, sha256 = await lab.spool.write(path, chunks())
    return File(input="image", filename="ä.png", content_type="image/png", size_bytes=size, sha256=sha256, path=path)


async def test_uploaded_files_are_kept(lab: Lab, origin: Origin) -> None:
    """The spool has them until then. The task is complete once, after its results."""
    file = await upload(lab, PNG)
    assert lab.spool.used_bytes == len(PNG)
    archive = await lab.start()
    await lab.end("a", Output(content_type="image/png", url=origin.host("0", Hosted(body=PNG))), files=(file,))
    uploaded, result = await lab.settled("a")
    assert (uploaded.part, uploaded.state, uploaded.sha256) == ("inputs/0", CopyState.KEPT, file.sha256)
    assert result.state is CopyState.KEPT
    assert await content(archive, uploaded) == PNG
    while lab.spool.used_bytes:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    assert lab.archived.empty()


async def test_an_uploaded_file_that_is_missing_has_failed(lab: Lab) -> None:
    """A node that has stopped may have had it. Without results, nothing is reported."""
    file = replace(await upload(lab, PNG), path=Path("0" * 32, "0"))
    await lab.start()
    await lab.end("a", files=(file,))
    while (copy := (await lab.journal.copies.of_task("a"))[0]).state is CopyState.WAITING:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    assert (copy.state, copy.reason) == (CopyState.FAILED, "The uploaded file is not on this machine.")


async def test_an_uploaded_file_of_a_deleted_task_is_released(lab: Lab) -> None:
    """Although it was never copied."""
    await lab.end("a", files=(await upload(lab, PNG),))
    await lab.journal.prune(ended_before=100.0, limit=9)
    await lab.start()
    while lab.spool.used_bytes:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def test_a_report_that_fails_is_repeated(lab: Lab, origin: Origin) -> None:
    """The last copy is settled only after it, so no report is lost."""
    archive = await lab.start()
    states: list[CopyState] = []

    async def fail_once(task: str) -> None:
        states.extend([copy.state for copy in await lab.journal.copies.of_task(task)])
        if len(states) == 1:
            raise StoreError("the disk is full")
        await lab.archived.put(task)

    archive._archived = fail_once
    await lab.end("a", Output(content_type="image/png", url=origin.host("0", Hosted(body=PNG))))
    assert await lab.archived.get() == "a"
    assert states == [CopyState.WAITING, CopyState.WAITING]
    while (await lab.journal.copies.of_task("a"))[0].state is not CopyState.KEPT:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def test_old_copies_are_removed(lab: Lab, origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their state says so."""
    monkeypatch.setattr(archive_module, "SWEEP_S", 0.01)
    lab.limits = ArchiveLimits(file_bytes=2**30, total_bytes=2**40, age_s=60.0)
    async with kept(lab, origin, Hosted(body=PNG)) as (archive, copy):
        lab.now += 61.0
        while (copy := (await lab.journal.copies.of_task("a"))[0]).state is not CopyState.REMOVED:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert copy.reason == "It was older than RELAY_ARCHIVE_AGE."
        assert await archive.kept("a", copy.part) is None
        assert await content(archive, copy) is None


async def test_the_oldest_copies_make_room(lab: Lab, origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit of all together."""
    monkeypatch.setattr(archive_module, "SWEEP_S", 0.01)
    lab.limits = ArchiveLimits(file_bytes=2**30, total_bytes=2 * len(PNG), age_s=0.0)
    await lab.start()
    for task in "abc":
        lab.now += 1
        await lab.end(task, Output(content_type="image/png", url=origin.host(task, Hosted(body=PNG))))
        await lab.settled(task)
    while (oldest := (await lab.journal.copies.of_task("a"))[0]).state is not CopyState.REMOVED:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    assert oldest.reason == "The archive had reached RELAY_ARCHIVE_LIMIT."
    states = [copy.state for task in "bc" for copy in await lab.journal.copies.of_task(task)]
    assert states == [CopyState.KEPT, CopyState.KEPT]


async def test_nothing_of_a_private_network_is_kept(lab: Lab, origin: Origin) -> None:
    """Unless the platform itself is there: a platform could name any address otherwise."""
    lab.reach = Reach()
    async with kept(lab, origin, Hosted(body=PNG)) as (_, copy):
        assert (copy.state, copy.attempts) == (CopyState.FAILED, 1)
    assert origin.files["a.png"].requests == []


async def test_thumbnails_are_made_once(lab: Lab, origin: Origin) -> None:
    """Of pictures that can be read; several requests share one."""
    async with kept(lab, origin, Hosted(body=PNG)) as (archive, copy):
        names = await asyncio.gather(
            *(archive.thumbnails.name_of(prefix_of(copy), copy.content_type, 160) for _ in range(3))
        )
        assert names == ["160.webp"] * 3
        made = await content(archive, copy, "160.webp")
        assert made is not None
        assert made[:4] + made[8:12] == b"RIFFWEBP"


async def test_the_first_frame_of_a_video_is_its_thumbnail(
    lab: Lab, origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If ffmpeg is installed; this one writes the same frame for every video."""
    (tmp_path / "frame.png").write_bytes(PNG)
    program = tmp_path / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nfor last; do :; done\ncp "{tmp_path}/frame.png" "$last"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    async with kept(lab, origin, Hosted(body=CLIP), content_type="video/webm") as (archive, copy):
        assert await archive.thumbnails.name_of(prefix_of(copy), copy.content_type, 320) == "320.webp"
        made = await content(archive, copy, "320.webp")
        assert made is not None
        assert made[8:12] == b"WEBP"


async def test_a_file_without_a_thumbnail_is_remembered(lab: Lab, origin: Origin) -> None:
    """A picture that is damaged, for example."""
    async with kept(lab, origin, Hosted(body=PNG[:200])) as (archive, copy):
        for _ in range(2):
            assert await archive.thumbnails.name_of(prefix_of(copy), copy.content_type, 160) is None
        assert await archive.thumbnails.name_of(prefix_of(copy), "text/plain", 160) is None


def test_the_directory_is_private(tmp_path: Path) -> None:
    """Results are as private as the prompts that they were made from."""
    ArchiveStore(f"file://{tmp_path}/deep/results")
    assert (tmp_path / "deep/results").stat().st_mode & 0o777 == 0o700
