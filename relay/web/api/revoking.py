"""`POST /v1/tokens/revoke`: revoke tokens or sign-in links."""

from typing import Annotated, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

from relay.access.grants import revocation
from relay.core.tag import Tag
from relay.journal.revocations import Kind
from relay.web.api.responses import RevokedTokens
from relay.web.http.auditing import notes
from relay.web.http.context import context
from relay.web.http.credentials import require_key
from relay.web.http.json_body import json_response, read_object


class RevokeBody(BaseModel):
    """`POST /v1/tokens/revoke`: exactly one of the fields."""

    model_config = ConfigDict(extra="forbid", strict=True)

    jti: Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[!-~]+$")] | None = None
    task: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]{1,64}$")] | None = None
    tag: Tag | None = None
    logins: Literal[True] | None = None

    @model_validator(mode="after")
    def _check_one(self) -> "RevokeBody":
        if [self.jti, self.task, self.tag, self.logins].count(None) != 3:
            raise ValueError("name exactly one of jti, task, tag and logins")
        return self

    def target(self) -> tuple[Kind, str]:
        """Return what to revoke."""
        for kind, name in ((Kind.JTI, self.jti), (Kind.TASK, self.task), (Kind.TAG, self.tag)):
            if name is not None:
                return kind, name
        return Kind.LOGIN, ""


async def revoke(request: web.Request) -> web.Response:
    """`POST /v1/tokens/revoke`. Repeated, it also revokes what was issued in between."""
    require_key(request)
    body, here = RevokeBody.model_validate(await read_object(request)), context(request)
    kind, name = body.target()
    noted, now = notes(request), here.clock()
    noted.jti, noted.task, noted.tag = body.jti, body.task, body.tag
    await here.revocations.add(revocation(kind, name, now))
    return json_response(RevokedTokens(issued_until=now))
