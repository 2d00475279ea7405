"""What the roles of API keys allow. The route table names the right that each call needs."""

from collections.abc import Mapping
from typing import Literal

from relay.config.api_keys import Role

Right = Literal["view", "view:status", "input", "cancel", "start", "admin"]
"""
`view:status` is a part of `view` (see `relay.core.status_view`). These two, `input` and `cancel` are also the scopes of
viewer tokens, and `start` one of a tag's token. `start` creates tasks and uploads files. `admin` deletes tasks, revokes
tokens, and sees what concerns the operator: webhooks and the audit.
"""

RIGHTS: Mapping[Role, frozenset[Right]] = {
    "admin": frozenset({"view", "input", "cancel", "start", "admin"}),
    "start": frozenset({"view", "input", "cancel", "start"}),
    "read": frozenset({"view", "input"}),
}
