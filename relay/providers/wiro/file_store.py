"""
Wiro's file store: the bodies and responses of File/Upload and File/FolderCreate.

Wiro's documentation spells a folder `folderid` and `folderId`, a parent `parentId` and `parentid`, and shows two
different responses for each call. Every spelling is sent, and both responses are accepted.
Source: https://wiro.ai/docs/markdown/full-documentation.md (Files).
"""

from relay.core.upstream import File, StoredFile, StoredFolder
from relay.errors import UpstreamUnclear
from relay.providers import media_types
from relay.providers.lenient_json import address, dump, integer, text
from relay.providers.request_body import Body, Form, JsonBody
from relay.providers.response import Response
from relay.providers.wiro.responses import parse_entry


def upload(file: File, folder: str | None) -> Body:
    """Return the body of File/Upload. The folder comes before the file, so Wiro knows it when the file arrives."""
    names = () if folder is None else ("folderid", "folderId")
    return Form([*((name, folder or "") for name in names), ("file", file)])


def create_folder(name: str, parent: str | None) -> Body:
    """Return the body of File/FolderCreate."""
    return JsonBody(dump({"name": name} | ({"parentId": parent, "parentid": parent} if parent else {})))


def parse_file(response: Response, sent: File) -> StoredFile:
    """
    Parse the response to File/Upload.

    Raises:
        UpstreamRejected: Wiro refused the call.
        UpstreamUnclear: it is unknown whether the file was stored.
    """
    entry = parse_entry(response)
    size = integer(entry.get("size"))
    return StoredFile(
        id=_id(response, entry, "file"),
        name=text(entry.get("name")) or sent.filename,
        content_type=media_types.resolve([text(entry.get("contenttype"))], None, None) or sent.content_type,
        size=sent.size_bytes if size is None else size,
        url=address(entry.get("url")),
        folder=text(entry.get("parentid")) or text(entry.get("parentId")) or None,
    )


def parse_folder(response: Response, name: str) -> StoredFolder:
    """
    Parse the response to File/FolderCreate.

    Raises:
        UpstreamRejected: Wiro refused the call.
        UpstreamUnclear: it is unknown whether the folder was created.
    """
    entry = parse_entry(response)
    return StoredFolder(
        id=_id(response, entry, "folder"),
        name=text(entry.get("name")) or name,
        parent=text(entry.get("parentid")) or text(entry.get("parentId")) or None,
    )


def _id(response: Response, entry: dict[str, object], kind: str) -> str:
    if not (found := text(entry.get("id"))):
        raise UpstreamUnclear(f"Wiro answered HTTP {response.status} without the ID of a {kind}.")
    return found
