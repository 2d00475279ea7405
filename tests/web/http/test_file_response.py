"""A file as a response to a client that does not wait for it."""

import asyncio
import gc
import warnings
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from relay.web.http import file_response
from relay.web.http.file_response import FileResponse


async def test_a_file_that_is_being_opened_when_the_client_leaves_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that opens it cannot be cancelled."""
    (tmp_path / "a.js").write_text("1")
    opening, opened = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    make = web.FileResponse._make_response

    def slowly(self: web.FileResponse, *arguments: Any) -> Any:
        loop.call_soon_threadsafe(opening.set)
        asyncio.run_coroutine_threadsafe(opened.wait(), loop).result(60)
        return make(self, *arguments)

    monkeypatch.setattr(web.FileResponse, "_make_response", slowly)
    handler = asyncio.create_task(FileResponse(tmp_path / "a.js").prepare(make_mocked_request("GET", "/a.js")))
    await opening.wait()
    handler.cancel()
    with pytest.raises(asyncio.CancelledError):
        await handler
    opened.set()
    await asyncio.wait(file_response._sending, timeout=60)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gc.collect()
