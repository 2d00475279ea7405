"""The use cases on an upstream's own file store: upload a file to it, create a folder in it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from relay.core.upstream import StoredFile, StoredFolder
from relay.errors import Code, FieldError, RequestError, UpstreamUnclear
from relay.files.spool import Parcel, Spool
from relay.providers.base import Provider


class FileStore:
    """The file stores of the providers that have one."""

    def __init__(self, providers: Mapping[str, Provider], spool: Spool) -> None:
        """
        Args:
            providers: by name.
            spool: has the files that are uploaded.
        """
        self._providers = providers
        self._spool = spool

    def __repr__(self) -> str:
        return f"<FileStore {[*self._providers]}>"

    def provider(self, wished: str | None) -> Provider:
        """
        Return whose store is meant: the first one's, when nobody says.

        Raises:
            RequestError: that provider is not here, or has no file store.
        """
        stores = {name: provider for name, provider in self._providers.items() if provider.takes_files}
        name = wished or next(iter(stores), "")
        if name not in stores:
            known = ", ".join(stores) or "none"
            field = FieldError(field="provider", message=f"one of: {known}")
            detail = f"There is no file store of a provider {name!r} here; those that have one: {known}."
            raise RequestError(Code.INVALID_INPUT, detail, fields=(field,))
        return stores[name]

    async def upload(self, provider: Provider, parcel: Parcel, folder: str | None) -> StoredFile:
        """
        Upload the one file of a parcel.

        Raises:
            UpstreamError: it was refused, or whether it is there is not known.
        """
        (file,) = self._spool.located(parcel.files)
        with _told("file"):
            return await provider.upload(file, folder)

    async def create_folder(self, provider: Provider, name: str, parent: str | None) -> StoredFolder:
        """
        Create a folder.

        Raises:
            UpstreamError: it was refused, or whether it is there is not known.
        """
        with _told("folder"):
            return await provider.create_folder(name, parent)


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Say of an unknown outcome what is unknown: nobody looks for it, as for a run."""
    try:
        yield
    except UpstreamUnclear as error:
        detail = f"{error.detail} Whether the {what} is there is not known."
        raise UpstreamUnclear(detail, fault=error.fault, retry_after_s=error.retry_after_s) from error
