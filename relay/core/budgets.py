"""The operator's budgets. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from relay.core.history.tally import DAY_S
from relay.core.spending import ALL, KEY, Limit, Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much may be spent in a period. A day is one in UTC."""

    period: Literal["day", "total"]
    most: float
    unit: Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """The budgets of the settings."""

    all: Sequence[Budget] = ()
    """Of all tasks."""
    by_key: Mapping[str, Sequence[Budget]] = field(default_factory=dict)
    """By the name of the API key."""

    def limits(self, key: str, now: float) -> tuple[Limit, ...]:
        """Return the limits of a start with the API key of a name, at a time in unix seconds."""
        of_key = self.by_key.get(key, ()) if key else ()
        day = math.floor(now / DAY_S)
        return tuple(
            Limit(account=account, counted=each.unit, most=each.most, day=day if each.period == "day" else None)
            for account, budgets in ((KEY + key, of_key), (ALL, self.all))
            for each in budgets
        )
