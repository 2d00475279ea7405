"""A platform's file store: which provider is used, and what is said when the outcome is unknown."""

from typing import cast

import pytest

from relay.core.upstream import StoredFolder
from relay.errors import RequestError, UpstreamUnclear
from relay.files.spool import Spool
from relay.files.upstream_store import FileStore
from relay.providers.base import Provider


class Platform:
    """A provider whose store does not answer."""

    def __init__(self, *, takes_files: bool) -> None:
        self.takes_files = takes_files

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
    """The error lists those that have one."""
    store = store_of(without=Platform(takes_files=False), first=Platform(takes_files=True))
    with pytest.raises(RequestError, match="those that have one: first") as caught:
        store.provider(requested)

    assert [field.field for field in caught.value.fields] == ["provider"]


def test_without_any_store_the_error_says_so() -> None:
    """No credentials, no store."""
    with pytest.raises(RequestError, match="those that have one: none"):
        store_of().provider(None)


async def test_an_ambiguous_error_says_what_is_unknown() -> None:
    """The relay does not search for a folder, so the client has to look."""
    store = store_of(wiro=Platform(takes_files=True))
    with pytest.raises(UpstreamUnclear) as caught:
        await store.create_folder(store.provider(None), "pictures", None)

    assert caught.value.detail == "Wiro did not answer within 30 s. It is unknown whether the folder exists."
    assert caught.value.retry_after_s == 2.0
