"""Settings that limit what is spent."""

import re

from pydantic import Field, field_validator

from relay.config.api_keys import KEY_NAME
from relay.config.base import Group, comma_separated
from relay.core.budgets import Budget, Budgets

_BUDGET = re.compile(r"(?P<period>day|total):(?P<most>\d+(?:\.\d+)?) ?(?P<unit>usd|credits)")


def parse_budget(text: str) -> Budget:
    """
    Parse a budget such as `day:20usd`.

    Raises:
        ValueError: it is not one.
    """
    found = _BUDGET.fullmatch(text)
    if found is None:
        raise ValueError(
            f"`{text}` is not a budget; use `day` or `total`, a colon, and an amount such as 20usd or 900credits"
        )
    period, most, unit = found.group("period", "most", "unit")
    return Budget(
        period="day" if period == "day" else "total", most=float(most), unit="usd" if unit == "usd" else "credits"
    )


class Spending(Group):
    """Spending."""

    spend_limits: tuple[str, ...] = Field(
        (),
        alias="RELAY_SPEND_LIMIT",
        description="What all tasks may cost, as comma-separated budgets such as `day:20usd,total:500usd`. `day` is a "
        "day in UTC; the units are `usd` and `credits`.",
    )
    spend_limit_keys: tuple[str, ...] = Field(
        (),
        alias="RELAY_SPEND_LIMIT_KEYS",
        description="What the tasks of named API keys may cost, as comma-separated `NAME=BUDGET`, such as "
        "`shop=day:5usd,shop=total:50usd`. Tasks of start tokens that a key has minted count, too.",
    )

    _split_budgets = field_validator("spend_limits", "spend_limit_keys", mode="before")(comma_separated)

    @field_validator("spend_limits")
    @classmethod
    def _check_budgets(cls, budgets: tuple[str, ...]) -> tuple[str, ...]:
        for text in budgets:
            parse_budget(text)
        return budgets

    @field_validator("spend_limit_keys")
    @classmethod
    def _check_named(cls, budgets: tuple[str, ...]) -> tuple[str, ...]:
        for text in budgets:
            name, _, budget = text.partition("=")
            if not KEY_NAME.fullmatch(name):
                raise ValueError(f"`{text}` must be NAME=BUDGET, where NAME is the name of an API key")
            parse_budget(budget)
        return budgets

    @property
    def budgets(self) -> Budgets:
        """The budgets, parsed."""
        by_key: dict[str, list[Budget]] = {}
        for text in self.spend_limit_keys:
            name, _, budget = text.partition("=")
            by_key.setdefault(name, []).append(parse_budget(budget))
        return Budgets(all=tuple(map(parse_budget, self.spend_limits)), by_key=by_key)
