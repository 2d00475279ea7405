"""
Wiro's file store: File/Upload and File/FolderCreate, what they are sent and what they answer.

One page of Wiro's documentation spells a folder `folderid` and `folderId`, a parent `parentId` and `parentid`, and
prints two answers for each call: every spelling is sent, and both answers are read.
"""

from relay.core.upstream import File, StoredFile, StoredFolder
from relay.errors import UpstreamUnclear
from relay.providers import media_types
from relay.providers.http import Answer
from relay.providers.lenient_json import address, dump, integer, text
from relay.providers.request_body import Body, Form, JsonBody
from relay.providers.wiro.responses import read_entry


def upload(file: File, folder: str | None) -> Body:
    """Write a File/Upload. The folder stands before the file, so that nobody has to wait for it."""
    names = () if folder is None else ("folderid", "folderId")
    return Form([*((name, folder or "") for name in names), ("file", file)])


def create_folder(name: str, parent: str | None) -> Body:
    """Write a File/FolderCreate."""
    return JsonBody(dump({"name": name} | ({"parentId": parent, "parentid": parent} if parent else {})))


def parse_file(answer: Answer, sent: File) -> StoredFile:
    """
    Read the answer to an upload.

    Raises:
        UpstreamRejected: Wiro said no.
        UpstreamUnclear: it cannot be told whether the file is there.
    """
    entry = read_entry(answer)
    size = integer(entry.get("size"))
    return StoredFile(
        id=_id(answer, entry, "file"),
        name=text(entry.get("name")) or sent.filename,
        content_type=media_types.resolve([text(entry.get("contenttype"))], None, None) or sent.content_type,
        size=sent.size_bytes if size is None else size,
        url=address(entry.get("url")),
        folder=text(entry.get("parentid")) or text(entry.get("parentId")) or None,
    )


def parse_folder(answer: Answer, name: str) -> StoredFolder:
    """
    Read the answer to the creation of a folder.

    Raises:
        UpstreamRejected: Wiro said no.
        UpstreamUnclear: it cannot be told whether the folder is there.
    """
    entry = read_entry(answer)
    return StoredFolder(
        id=_id(answer, entry, "folder"),
        name=text(entry.get("name")) or name,
        parent=text(entry.get("parentid")) or text(entry.get("parentId")) or None,
    )


def _id(answer: Answer, entry: dict[str, object], kind: str) -> str:
    if not (found := text(entry.get("id"))):
        raise UpstreamUnclear(f"Wiro answered HTTP {answer.status} without the id of a {kind}.")
    return found
