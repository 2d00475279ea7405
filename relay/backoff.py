"""How long to wait after failures in a row."""

import random

FIRST_S, LONGEST_S = 0.5, 20.0

ASKED_LIMIT_S = 60.0
"""What is believed of a `Retry-After`: a proxy's hour must not hide a task that ends in a minute."""


def full_jitter(failures: int, *, asked_s: float | None = None) -> float:
    """
    Return a random wait below one that doubles with each failure: a thousand tasks must not come back at once.

    Args:
        failures: how many there were in a row.
        asked_s: how long the other side asked to be left alone; that comes first, up to ASKED_LIMIT_S.
    """
    spread_s: float = random.uniform(0, min(LONGEST_S, FIRST_S * 2.0 ** min(failures, 16)))  # noqa: S311 -- no secret
    return min(asked_s or 0.0, ASKED_LIMIT_S) + spread_s
