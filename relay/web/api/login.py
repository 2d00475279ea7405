"""`POST /v1/login`: exchange the code of a sign-in link for the API key."""

from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, ConfigDict, StringConstraints

from relay.errors import Code, RequestError
from relay.web.api.responses import SignedIn
from relay.web.http.client_address import client_address
from relay.web.http.context import context
from relay.web.http.json_body import json_response, read_object
from relay.web.http.request_ids import REQUEST_ID


class LoginBody(BaseModel):
    """`POST /v1/login`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    code: Annotated[str, StringConstraints(min_length=1, max_length=64)]


async def login(request: web.Request) -> web.Response:
    """`POST /v1/login`."""
    body = LoginBody.model_validate(await read_object(request))
    if not await context(request).login_codes.redeem(body.code):
        here = context(request)
        here.audit.failed(client_address(request, here.config.trusted_proxies), request[REQUEST_ID])
        detail = "The sign-in link has been used already or is older than 10 minutes. Sign in with the API key."
        raise RequestError(Code.UNAUTHORIZED, detail)
    return json_response(SignedIn(key=context(request).access.key))
