"""
Handle POST /File/…: Wiro's file storage with folders.

Wiro's documentation shows three different responses; the switch `file_answer` selects one.
"""

import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal
from urllib.parse import quote

from aiohttp import web

from relay.sandbox.shared.context import Context
from relay.sandbox.shared.fault_counts import FaultCounts
from relay.sandbox.switches.faults import Faults
from relay.sandbox.switches.values import Refusal
from relay.sandbox.wiro import bodies, envelope
from relay.sandbox.wiro.file_entries import Entry, created_response
from relay.sandbox.wiro.file_store import File, FileStore
from relay.sandbox.wiro.requests import Field, FileRequest

_FOLDER_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
_INVALID: Final = Refusal(code=0, message="invalid-parameters")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """One call, parsed."""

    name: Literal["Upload", "FolderCreate"]
    content_type: str
    account: str
    host: str
    fields: tuple[Field, ...] = ()


class FileCalls:
    """Calls to the file API. Only the account that created a folder can use it."""

    def __init__(self, context: Context, files: FileStore) -> None:
        self.received: list[FileRequest] = []
        self.entries: dict[str, Entry] = {}
        self._context = context
        self._files = files
        self._fault_counts = FaultCounts()
        self._root = secrets.token_hex(16)

    async def upload(self, request: web.Request, account: str) -> web.Response:
        """Store the part `file`, in the folder `folderid` if there is one."""
        call = _Call(name="Upload", content_type=request.content_type, account=account, host=request.host)
        return await self._handle(request, call, self._upload)

    async def create_folder(self, request: web.Request, account: str) -> web.Response:
        """Create the folder `name`, in the folder `parentid` if there is one."""
        call = _Call(name="FolderCreate", content_type=request.content_type, account=account, host=request.host)
        return await self._handle(request, call, self._create_folder)

    async def _handle(
        self, request: web.Request, call: _Call, create: Callable[[_Call], Entry | Refusal]
    ) -> web.Response:
        switches = self._context.next_file_call.take()
        faults = self._context.faults.with_switches(switches)
        try:
            fields = await bodies.read(request, files=self._files, faults=faults)
        except bodies.InvalidBody:
            return self._refuse(call, Refusal(code=0, message="Request parameters are invalid."))
        call = replace(call, fields=fields)
        fault = self._fault_counts.take(f"{call.name} {fields}", faults.file_http, queued="file_http" in switches)
        if fault is None:
            return self._create(call, create, faults)
        proper = None
        if fault.takes_effect:
            proper = self._create(call, create, faults)
        else:
            self._log(call)
        return await envelope.faulty(
            request, fault, proper, closing=self._context.closing, retry_after_s=faults.retry_after_s
        )

    def _create(self, call: _Call, create: Callable[[_Call], Entry | Refusal], faults: Faults) -> web.Response:
        created = faults.file_error or create(call)
        if isinstance(created, Refusal):
            return self._refuse(call, created)
        self.entries[created.id] = created
        self._log(call, created=created.id)
        return envelope.ok(created_response(created, self._root, faults))

    def _upload(self, call: _Call) -> Entry | Refusal:
        file = next((field.value for field in call.fields if field.name == "file"), None)
        if not isinstance(file, File):
            return Refusal(code=0, message="Request files [file] required")
        parent = _first_text(call.fields, "folderid", "folderId")
        if parent and not self._is_folder(parent, call.account):
            return _INVALID
        return Entry(
            id=secrets.token_hex(16),
            account=call.account,
            name=file.filename,
            parent=parent,
            added_at=time.time(),
            file=file,
            url=f"http://{call.host}/cdn/{file.key}/{quote(file.filename, safe='')}",
        )

    def _create_folder(self, call: _Call) -> Entry | Refusal:
        name, parent = _first_text(call.fields, "name"), _first_text(call.fields, "parentid", "parentId")
        if name is None:
            return Refusal(code=0, message="Request parameter [name] required")
        if not _FOLDER_NAME.fullmatch(name) or (parent and not self._is_folder(parent, call.account)):
            return _INVALID
        return Entry(id=secrets.token_hex(16), account=call.account, name=name, parent=parent, added_at=time.time())

    def _is_folder(self, id_: str, account: str) -> bool:
        entry = self.entries.get(id_)
        return entry is not None and entry.file is None and entry.account == account

    def _refuse(self, call: _Call, refusal: Refusal) -> web.Response:
        self._log(call)
        return envelope.error(refusal.code, refusal.message)

    def _log(self, call: _Call, *, created: str | None = None) -> None:
        self.received.append(
            FileRequest(call=call.name, content_type=call.content_type, fields=call.fields, created=created)
        )


def _first_text(fields: tuple[Field, ...], *names: str) -> str | None:
    """Return the value of the first of these fields that is not empty, or None."""
    values = bodies.values(fields)
    return next((text for name in names if (text := bodies.text(values, name))), None)
