"""A platform's file store: which provider is used, and what is said when the outcome is unknown."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from relay.core.upstream import File, StoredFile, StoredFolder
from relay.errors import RequestError, UpstreamUnclear
from relay.files.spool import Spool
from relay.files.upload import Upload
from relay.files.upstream_store import FileStore
from relay.providers.base import Provider


class Platform:
    """A provider whose store does not answer."""

    def __init__(self, *, takes_files: bool) -> None:
        self.takes_files = takes_files

    async def upload(self, file: File, folder: str | None) -> StoredFile:
        size = len(file.path.read_bytes())
        return StoredFile(id="1", name=file.filename, content_type=None, size=size, url=None, folder=folder)

    async def create_folder(self, _name: str, _parent: str | None) -> StoredFolder:
        raise UpstreamUnclear("Wiro did not answer within 30 s.", retry_after_s=2.0)


def store_of(**platforms: Platform) -> FileStore:
    return FileStore(cast("dict[str, Provider]", platforms), cast("Spool", None))


def test_the_first_provider_with_a_store_is_the_default() -> None:
    """A provider without one is never chosen."""
    without, first, second = Platform(takes_files=False), Platform(takes_files=True), Platform(takes_files=True)
    store = store_of(without=without, first=first, second=second)

    assert store.provider(None) is cast("Provider", first)
    assert store.provider("second") is cast("Provider", second)
    assert repr(store) == "<FileStore ['without', 'first', 'second']>"


@pytest.mark.parametrize("requested", ["without", "unknown"])
def test_a_provider_without_a_store_is_rejected(requested: str) -> None:
    """The error lists the providers with a file store."""
    store = store_of(without=Platform(takes_files=False), first=Platform(takes_files=True))
    with pytest.raises(RequestError, match="providers with a file store: first") as caught:
        store.provider(requested)

    assert [field.field for field in caught.value.fields] == ["provider"]


def test_without_any_store_the_error_says_so() -> None:
    """No credentials, no store."""
    with pytest.raises(RequestError, match="providers with a file store: none"):
        store_of().provider(None)


async def test_an_upload_is_sent_from_the_spool(tmp_path: Path) -> None:
    """The provider gets the path of the file on the disk."""
    spool = Spool(tmp_path, file_limit_bytes=10, limit_bytes=10)
    await spool.open(())
    store = FileStore(cast("dict[str, Provider]", {"wiro": Platform(takes_files=True)}), spool)

    async def content() -> AsyncIterator[bytes]:
        yield b"abc"

    async with Upload(spool) as upload:
        await upload.add("file", "cat.png", "image/png", content())
        stored = await store.upload(store.provider(None), upload, "pictures")

    assert (stored.name, stored.size, stored.folder) == ("cat.png", 3, "pictures")


async def test_an_ambiguous_error_says_what_is_unknown() -> None:
    """The relay does not search for a folder, so the client has to look."""
    store = store_of(wiro=Platform(takes_files=True))
    with pytest.raises(UpstreamUnclear) as caught:
        await store.create_folder(store.provider(None), "pictures", None)

    assert caught.value.detail == "Wiro did not answer within 30 s. It is unknown whether the folder exists."
    assert caught.value.retry_after_s == 2.0
