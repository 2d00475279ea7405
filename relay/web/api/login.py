"""`POST /v1/login`: the dashboard trades the code of a printed link for the API key."""

from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, ConfigDict, StringConstraints

from relay.errors import Code, RequestError
from relay.web.http.answers import json_answer
from relay.web.http.context import context
from relay.web.http.json_body import read_object


class LoginBody(BaseModel):
    """`POST /v1/login`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    code: Annotated[str, StringConstraints(min_length=1, max_length=64)]


async def login(request: web.Request) -> web.Response:
    """`POST /v1/login`: the API key for a code."""
    body = LoginBody.model_validate(await read_object(request))
    if not context(request).logins.redeem(body.code):
        detail = "The link has been used already, or is older than 10 minutes. Sign in with the API key."
        raise RequestError(Code.UNAUTHORIZED, detail)
    return json_answer({"key": context(request).access.key})
