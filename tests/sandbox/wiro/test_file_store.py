"""Uploaded files on disk."""

import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from relay.sandbox import Sandbox
from relay.sandbox.wiro import file_store
from relay.sandbox.wiro.file_store import File
from tests.sandbox.wiro.uploads import EDIT, PNG, form, run_form


async def test_closing_the_sandbox_deletes_its_files(http: aiohttp.ClientSession) -> None:
    """They are stored on disk."""
    async with Sandbox(speed=1000) as sandbox:
        await run_form(sandbox, http, EDIT, ("inputImage", PNG), ("prompt", "a cat"))
        file = sandbox.runs[0].fields[0].value
        assert isinstance(file, File)
        found = sandbox._wiro.files.get(file.key)
        assert found is not None
        assert found[1].read_bytes() == PNG

    assert not found[1].exists()


async def test_a_large_file_is_not_held_in_memory(
    sandbox: Sandbox, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """For 32 MiB, client and sandbox in this process together allocate less than 2 MiB."""
    large = tmp_path / "large.png"
    large.write_bytes(PNG[:1024] * 32 * 1024)
    await run_form(sandbox, http, EDIT, ("inputImage", PNG), ("prompt", "x"))
    with large.open("rb") as opened:
        data = aiohttp.FormData()
        data.add_field("inputImage", opened, filename="large.png", content_type="image/png")
        data.add_field("prompt", "x")
        tracemalloc.start()
        try:
            async with http.post(f"{sandbox.api_url}/Run/{EDIT}", data=data) as response:
                assert (await response.json())["result"] is True
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    file = sandbox.runs[-1].fields[0].value
    assert isinstance(file, File)
    assert file.size == 32 * 1024 * 1024
    assert peak < file.size / 16


async def test_a_file_above_the_limit_is_refused_with_413(
    sandbox: Sandbox, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The part that was received is deleted."""
    monkeypatch.setattr(file_store, "MAX_FILE_BYTES", len(PNG))
    assert (await run_form(sandbox, http, EDIT, ("inputImage", PNG), ("prompt", "x")))["result"] is True

    body = form(("inputImage", PNG + b"1"), ("prompt", "x"))
    async with http.post(f"{sandbox.api_url}/Run/{EDIT}", data=body) as response:
        assert (response.status, response.content_type) == (413, "text/html")
        assert response.headers["Connection"] == "close"
    file = sandbox.runs[0].fields[0].value
    assert isinstance(file, File)
    kept = sandbox._wiro.files.get(file.key)
    assert kept is not None
    assert [path.name for path in kept[1].parent.iterdir()] == [file.key]


async def test_an_incomplete_file_is_deleted() -> None:
    """Whatever error interrupts the upload, nothing stays on disk."""

    async def broken_off() -> AsyncIterator[bytes]:
        yield PNG
        raise ConnectionResetError

    async def whole() -> AsyncIterator[bytes]:
        yield PNG

    with file_store.FileStore() as kept:
        file = await kept.put(whole(), filename="a.png", content_type="image/png")
        with pytest.raises(ConnectionResetError):
            await kept.put(broken_off(), filename="b.png", content_type="image/png")
        found = kept.get(file.key)
        assert found is not None
        assert [path.name for path in found[1].parent.iterdir()] == [file.key]
