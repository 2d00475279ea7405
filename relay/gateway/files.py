"""`File/…`: Wiro's own file store."""

from aiohttp import web

from relay.errors import Code, RequestError
from relay.files.upload import Upload
from relay.gateway import bodies, envelope
from relay.gateway.credentials import permitted, unbound
from relay.web.http.context import context


async def upload(request: web.Request) -> web.Response:
    """`POST /wiro/v1/File/Upload`: the part `file`, into the folder `folderid` if there is one."""
    here = context(request)
    unbound(permitted(request, "start"))
    async with Upload(here.spool) as received:
        fields = await bodies.read(request, received)
        if [file.input for file in received.files] != ["file"]:
            raise RequestError(Code.INVALID_INPUT, "Request files [file] required")
        folder = bodies.text(fields, "folderid", "folderId") or None
        stored = await here.file_store.upload(here.file_store.provider("wiro"), received, folder)
    file = {
        "id": stored.id,
        "name": stored.name,
        "contenttype": stored.content_type,
        "size": None if stored.size is None else str(stored.size),
        "parentid": stored.folder,
        "url": stored.url,
    }
    return envelope.ok({"list": [file]})


async def create_folder(request: web.Request) -> web.Response:
    """`POST /wiro/v1/File/FolderCreate`: the folder `name`, in the folder `parentid` if there is one."""
    here = context(request)
    unbound(permitted(request, "start"))
    fields = await bodies.read(request)
    if not (name := bodies.text(fields, "name")):
        raise RequestError(Code.INVALID_INPUT, "Request parameter [name] required")
    parent = bodies.text(fields, "parentid", "parentId") or None
    made = await here.file_store.create_folder(here.file_store.provider("wiro"), name, parent)
    return envelope.ok({"list": [{"id": made.id, "name": made.name, "parentid": made.parent}]})
