"""Files and folders of Wiro's file storage, and the three ways in which its documentation shows them."""

from dataclasses import dataclass
from datetime import UTC, datetime

from relay.sandbox.switches.faults import Faults
from relay.sandbox.wiro.file_store import File


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A folder, or a file with its address. `parent` is the id of the folder that contains it."""

    id: str
    account: str
    name: str
    parent: str | None
    added_at: float
    file: File | None = None
    url: str = ""


def created_response(entry: Entry, root: str, faults: Faults) -> dict[str, object]:
    """Return the fields of the response to a call that created an entry. `root` is the id of the root folder."""
    if entry.file is None and faults.file_answer == "data":
        return {"data": _folder_data(entry)}
    parent = entry.parent or root
    return {"list": [_sample(entry, parent) if faults.file_answer == "samples" else _listed(entry, parent)]}


def _listed(entry: Entry, parent: str) -> dict[str, object]:
    """Return an entry as in the tables of the documentation, with numbers as text."""
    fields: dict[str, object] = {
        "id": entry.id,
        "name": entry.name,
        "contenttype": entry.file.content_type if entry.file else "",
        "size": str(entry.file.size if entry.file else 0),
        "parentid": parent,
        "addedtime": str(int(entry.added_at)),
    }
    return fields | ({"url": entry.url, "accesskey": entry.file.key} if entry.file else {})


def _sample(entry: Entry, parent: str) -> dict[str, object]:
    """Return an entry as in the code samples of gen-1, with a numeric size and no address."""
    return {
        "id": entry.id,
        "name": entry.name,
        "parentid": parent,
        "size": entry.file.size if entry.file else 0,
        "isfolder": entry.file is None,
        "created": str(int(entry.added_at)),
    }


def _folder_data(entry: Entry) -> dict[str, object]:
    """Return a folder as in the table of gen-1."""
    created = datetime.fromtimestamp(entry.added_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"id": entry.id, "name": entry.name, "parentId": entry.parent, "createdAt": created}
