"""`POST /v1/files` and `POST /v1/folders`: the upstream's own file store."""

from aiohttp import web

from relay.files.upload import Upload
from relay.web.api.bodies import FolderBody
from relay.web.api.uploads import read_file
from relay.web.http.answers import json_answer
from relay.web.http.context import context
from relay.web.http.credentials import require_key
from relay.web.http.json_body import read_object


async def upload(request: web.Request) -> web.Response:
    """`POST /v1/files`: through the spool, since an upstream wants to know how much comes."""
    require_key(request, context(request).rates.starts)
    here = context(request)
    async with Upload(here.spool) as received:
        body = await read_file(request, received)
        provider = here.file_store.provider(body.provider)
        return json_answer({"file": await here.file_store.upload(provider, received, body.folder)}, 201)


async def create_folder(request: web.Request) -> web.Response:
    """`POST /v1/folders`."""
    require_key(request, context(request).rates.starts)
    body = FolderBody.model_validate(await read_object(request))
    store = context(request).file_store
    return json_answer(
        {"folder": await store.create_folder(store.provider(body.provider), body.name, body.parent)}, 201
    )
