"""How long a commit permits to send a run."""

import math
from typing import Final

SEND_WITHIN_S: Final = 5.0
"""How long after the commit of the intent a run may be sent. A search on another node relies on it."""


def permitted_until_s(issued_at_s: float, send_until_s: float) -> float:
    """
    Return until when a run may be sent, as `relay.clock.uptime_s` counts.

    Args:
        issued_at_s: when the commit of the intent to send it was issued.
        send_until_s: until when the journal permits it; infinite if no other process can take the task over.
    """
    return send_until_s if math.isinf(send_until_s) else min(send_until_s, issued_at_s + SEND_WITHIN_S)
