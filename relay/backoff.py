"""How long to wait after failures in a row."""

import random

FIRST_S, LONGEST_S = 0.5, 20.0


def full_jitter(failures: int) -> float:
    """Return a random wait below one that doubles with each failure: a thousand tasks must not come back at once."""
    return random.uniform(0, min(LONGEST_S, FIRST_S * 2.0 ** min(failures, 16)))  # noqa: S311 -- no secret
