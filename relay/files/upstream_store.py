"""The use cases on a platform's own file store: upload a file, create a folder."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from relay.core.upstream import StoredFile, StoredFolder
from relay.errors import Code, FieldError, RequestError, UpstreamUnclear
from relay.files.spool import Spool
from relay.files.upload import Upload
from relay.providers.base import Provider


class FileStore:
    """The file stores of the providers that have one."""

    def __init__(self, providers: Mapping[str, Provider], spool: Spool) -> None:
        """
        Args:
            providers: by name.
            spool: holds the files that are uploaded.
        """
        self._providers = providers
        self._spool = spool

    def __repr__(self) -> str:
        return f"<FileStore {[*self._providers]}>"

    def provider(self, requested: str | None) -> Provider:
        """
        Return the provider whose store is used; by default the first that has one.

        Raises:
            RequestError: the provider is not configured, or has no file store.
        """
        stores = {name: provider for name, provider in self._providers.items() if provider.takes_files}
        name = requested or next(iter(stores), "")
        if name not in stores:
            known = ", ".join(stores) or "none"
            field = FieldError(field="provider", message=f"must be one of {known}")
            detail = f"The provider {name!r} has no file store here; providers with a file store: {known}."
            raise RequestError(Code.INVALID_INPUT, detail, fields=(field,))
        return stores[name]

    async def upload(self, provider: Provider, upload: Upload, folder: str | None) -> StoredFile:
        """
        Send the only file of an upload to the provider's store.

        Raises:
            UpstreamError: the platform refused it, or it is unknown whether it was stored.
        """
        (file,) = self._spool.located(upload.files)
        with _unclear("file"):
            return await provider.upload(file, folder)

    async def create_folder(self, provider: Provider, name: str, parent: str | None) -> StoredFolder:
        """
        Create a folder in the provider's store.

        Raises:
            UpstreamError: the platform refused it, or it is unknown whether it was created.
        """
        with _unclear("folder"):
            return await provider.create_folder(name, parent)


@contextmanager
def _unclear(what: str) -> Iterator[None]:
    """Add to the message of an ambiguous error what is unknown: unlike a run, it is not searched for."""
    try:
        yield
    except UpstreamUnclear as error:
        detail = f"{error.detail} It is unknown whether the {what} exists."
        raise UpstreamUnclear(detail, fault=error.fault, retry_after_s=error.retry_after_s) from error
