"""`POST /v1/files` and `POST /v1/folders`: the platform's file store."""

from aiohttp import web

from relay.files.upload import Upload
from relay.web.api.file_bodies import FolderBody
from relay.web.api.responses import CreatedFolder, UploadedFile
from relay.web.api.uploads import read_file
from relay.web.http.context import context
from relay.web.http.credentials import require_key
from relay.web.http.json_body import json_response, read_object


async def upload(request: web.Request) -> web.Response:
    """`POST /v1/files`. The file goes through the spool because platforms need to know its size in advance."""
    here = context(request)
    require_key(request, here.rate_limits.starts)
    async with Upload(here.spool) as received:
        body = await read_file(request, received)
        provider = here.file_store.provider(body.provider)
        uploaded = UploadedFile(file=await here.file_store.upload(provider, received, body.folder))
        return json_response(uploaded, 201)


async def create_folder(request: web.Request) -> web.Response:
    """`POST /v1/folders`."""
    here = context(request)
    require_key(request, here.rate_limits.starts)
    body = FolderBody.model_validate(await read_object(request))
    provider = here.file_store.provider(body.provider)
    created = CreatedFolder(folder=await here.file_store.create_folder(provider, body.name, body.parent))
    return json_response(created, 201)
