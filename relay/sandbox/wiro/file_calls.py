"""
POST /File/…: the upstream's own store of files, with folders.

The documents print three answers that do not agree; `file_answer` tells them apart.
"""

import asyncio
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal
from urllib.parse import quote

from aiohttp import web

from relay.sandbox.shared import http_faults
from relay.sandbox.shared.fault_counts import Quota
from relay.sandbox.switches.faults import Faults
from relay.sandbox.switches.values import Refusal
from relay.sandbox.wiro import bodies
from relay.sandbox.wiro.file_store import File, Shelf
from relay.sandbox.wiro.tasks import Field

Call = Literal["Upload", "FolderCreate"]

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_INVALID: Final = Refusal(code=0, message="invalid-parameters")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRequest:
    """A call as it arrived, its fields in order; `made` is the id of the file or folder, null when it made none."""

    call: Call
    content_type: str
    fields: tuple[Field, ...]
    made: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A folder, or a file in one."""

    id: str
    account: str
    name: str
    parent: str | None
    added_at: float
    file: File | None = None
    url: str = ""


class FileCalls:
    """Answers the calls about files. A folder is there for the account that made it, and for nobody else."""

    def __init__(
        self,
        shelf: Shelf,
        *,
        faults: Faults,
        next_switches: Callable[[], Mapping[str, str]],
        closing: asyncio.Event,
    ) -> None:
        self.received: list[FileRequest] = []
        self.entries: dict[str, Entry] = {}
        self._shelf = shelf
        self._faults = faults
        self._next_switches = next_switches
        self._closing = closing
        self._quota = Quota()
        self._root = secrets.token_hex(16)

    async def upload(self, request: web.Request, account: str) -> web.Response:
        """Keep the part `file`, in the folder `folderid` if one is named."""
        return await self._call("Upload", request, lambda fields: self._upload(request, account, fields))

    async def create_folder(self, request: web.Request, account: str) -> web.Response:
        """Make the folder `name`, in `parentid` if one is named."""
        return await self._call("FolderCreate", request, lambda fields: self._create_folder(account, fields))

    async def _call(
        self, call: Call, request: web.Request, make: Callable[[tuple[Field, ...]], Entry | Refusal]
    ) -> web.Response:
        switches = self._next_switches()
        faults = self._faults.with_switches(switches)
        try:
            fields = await bodies.read(request, shelf=self._shelf, faults=faults)
        except bodies.BadBody:
            return self._refuse(call, request, (), Refusal(code=0, message="Request parameters are invalid."))
        if fault := self._quota.take(f"{call} {fields}", faults.file_http, queued="file_http" in switches):
            proper = self._answer(call, request, fields, make, faults) if fault.takes_effect else None
            if proper is None:
                self._note(call, request, fields)
            return await http_faults.gone_wrong(
                request, fault, proper, retry_after_s=faults.retry_after_s, closing=self._closing
            )
        return self._answer(call, request, fields, make, faults)

    def _answer(
        self,
        call: Call,
        request: web.Request,
        fields: tuple[Field, ...],
        make: Callable[[tuple[Field, ...]], Entry | Refusal],
        faults: Faults,
    ) -> web.Response:
        made = faults.file_error or make(fields)
        if isinstance(made, Refusal):
            return self._refuse(call, request, fields, made)
        self.entries[made.id] = made
        self._note(call, request, fields, made=made.id)
        if made.file is None and faults.file_answer == "data":
            return http_faults.ok({"data": _data(made)})
        parent = made.parent or self._root
        shown = _sample(made, parent) if faults.file_answer == "samples" else _listed(made, parent)
        return http_faults.ok({"list": [shown]})

    def _upload(self, request: web.Request, account: str, fields: tuple[Field, ...]) -> Entry | Refusal:
        file = next((each.value for each in fields if each.name == "file"), None)
        if not isinstance(file, File):
            return Refusal(code=0, message="Request files [file] required")
        parent = _either(fields, "folderid", "folderId")
        if parent and not self._is_folder(parent, account):
            return _INVALID
        return Entry(
            id=secrets.token_hex(16),
            account=account,
            name=file.filename,
            parent=parent,
            added_at=time.time(),
            file=file,
            url=f"http://{request.host}/cdn/{file.key}/{quote(file.filename, safe='')}",
        )

    def _create_folder(self, account: str, fields: tuple[Field, ...]) -> Entry | Refusal:
        name, parent = _either(fields, "name"), _either(fields, "parentid", "parentId")
        if name is None:
            return Refusal(code=0, message="Request parameter [name] required")
        if not _NAME.fullmatch(name) or (parent and not self._is_folder(parent, account)):
            return _INVALID
        return Entry(id=secrets.token_hex(16), account=account, name=name, parent=parent, added_at=time.time())

    def _is_folder(self, id_: str, account: str) -> bool:
        entry = self.entries.get(id_)
        return entry is not None and entry.file is None and entry.account == account

    def _refuse(self, call: Call, request: web.Request, fields: tuple[Field, ...], refusal: Refusal) -> web.Response:
        self._note(call, request, fields)
        return http_faults.refused(refusal.code, refusal.message)

    def _note(self, call: Call, request: web.Request, fields: tuple[Field, ...], *, made: str | None = None) -> None:
        self.received.append(FileRequest(call=call, content_type=request.content_type, fields=fields, made=made))


def _either(fields: tuple[Field, ...], *names: str) -> str | None:
    values = bodies.values(fields)
    return next((text for name in names if (text := bodies.text(values, name))), None)


def _listed(entry: Entry, parent: str) -> dict[str, object]:
    """Return an entry as the tables print it, numbers as text."""
    shown: dict[str, object] = {
        "id": entry.id,
        "name": entry.name,
        "contenttype": entry.file.content_type if entry.file else "",
        "size": str(entry.file.size if entry.file else 0),
        "parentid": parent,
        "addedtime": str(int(entry.added_at)),
    }
    return shown | ({"url": entry.url, "accesskey": entry.file.key} if entry.file else {})


def _sample(entry: Entry, parent: str) -> dict[str, object]:
    """Return an entry as gen-1's code samples print it: a number as a number, and no address."""
    return {
        "id": entry.id,
        "name": entry.name,
        "parentid": parent,
        "size": entry.file.size if entry.file else 0,
        "isfolder": entry.file is None,
        "created": str(int(entry.added_at)),
    }


def _data(entry: Entry) -> dict[str, object]:
    """Return a folder as gen-1's table prints it."""
    created = datetime.fromtimestamp(entry.added_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"id": entry.id, "name": entry.name, "parentId": entry.parent, "createdAt": created}
