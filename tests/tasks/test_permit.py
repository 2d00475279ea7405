"""A run may be sent for a few seconds after the commit of its intent, and never after the journal's own limit."""

import math

import pytest

from relay.tasks.permit import SEND_WITHIN_S, permitted_until_s


@pytest.mark.parametrize(
    ("send_until_s", "permitted"),
    [(math.inf, math.inf), (1e9, 100.0 + SEND_WITHIN_S), (102.0, 102.0), (-math.inf, -math.inf)],
    ids=["one node", "long lease", "short lease", "no permit"],
)
def test_the_earlier_limit_counts(send_until_s: float, permitted: float) -> None:
    """On one node there is none."""
    assert permitted_until_s(100.0, send_until_s) == permitted
