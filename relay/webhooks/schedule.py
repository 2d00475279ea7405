"""When a webhook is sent again, and when it is given up."""

import random
from typing import Final

DELAYS_S: Final = (1.0, 5.0, 30.0, 120.0, 600.0)
"""The pauses after the first failures."""

HOURLY_S: Final = 3600.0
"""The pause after any further failure, and the longest one that a receiver can ask for."""

GIVE_UP_S: Final = 86_400.0
"""A webhook that has failed for this time is given up. It is sent at least once, also if it had to wait so long."""

_SPREAD: Final = 0.2
"""By which part of it a pause is shorter or longer, so that not all webhooks come back at the same moment."""


def pause_s(failures: int, *, asked_s: float | None = None) -> float:
    """
    Return how long to wait before a webhook is sent again.

    Args:
        failures: how often in a row it has failed, from 1.
        asked_s: what `Retry-After` says; the pause is at least so long, up to HOURLY_S.
    """
    planned_s = DELAYS_S[failures - 1] if failures <= len(DELAYS_S) else HOURLY_S
    planned_s = max(planned_s, min(asked_s or 0.0, HOURLY_S))
    return planned_s * random.uniform(1 - _SPREAD, 1 + _SPREAD)  # noqa: S311 -- no secret
