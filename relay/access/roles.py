"""What the roles of API keys allow. The route table names the right that each call needs."""

from collections.abc import Mapping
from typing import Literal

from relay.config.api_keys import Role

Right = Literal["view", "input", "cancel", "start", "admin"]
"""
`view`, `input` and `cancel` are also the scopes of viewer tokens. `start` creates tasks and uploads files. `admin`
deletes tasks, revokes tokens, and sees what concerns the operator: webhooks and the audit.
"""

RIGHTS: Mapping[Role, frozenset[Right]] = {
    "admin": frozenset({"view", "input", "cancel", "start", "admin"}),
    "start": frozenset({"view", "input", "cancel", "start"}),
    "read": frozenset({"view", "input"}),
}
