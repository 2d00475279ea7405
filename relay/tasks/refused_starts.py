"""The errors of starts that a limit does not allow. Pure."""

import math
from datetime import UTC, datetime
from typing import Final

from relay.core.events import Cost
from relay.core.spending import KEY, TAG, Exceeded, Limit, Unit
from relay.errors import BudgetState, Code, RequestError

HINT_S: Final = 10.0
"""When to retry a start while too many tasks run: it is not known when one of them ends."""


def refusal(exceeded: Exceeded, estimate: Cost | None, now: float, *, tag: str | None) -> RequestError:
    """
    Return the error of a start that a limit does not allow.

    Args:
        exceeded: the limit.
        estimate: what the start would probably cost.
        now: unix seconds.
        tag: the tag to which the caller's credential is bound, if it is. It learns no amounts of other budgets.
    """
    limit = exceeded.limit
    match limit.counted:
        case "running":
            detail = (
                f"{_owner(limit)} has {exceeded.used:g} unfinished tasks; the limit is {limit.most:g}. "
                "Retry when one of them has ended."
            )
            return RequestError(Code.RATE_LIMITED, detail, retry_after_s=HINT_S)
        case "starts":
            wait_s = max(1.0, (exceeded.until or now) - now)
            detail = (
                f"{_owner(limit)} has started {exceeded.used:g} tasks within 60 minutes; the limit is {limit.most:g}. "
                f"Retry in {math.ceil(wait_s)} s."
            )
            return RequestError(Code.RATE_LIMITED, detail, retry_after_s=wait_s)
        case unit:
            return _exhausted(exceeded, unit, estimate, tag)


def _exhausted(exceeded: Exceeded, unit: Unit, estimate: Cost | None, tag: str | None) -> RequestError:
    limit = exceeded.limit
    resets = "It is not reset." if exceeded.until is None else f"It is reset at {_time(exceeded.until)}."
    if tag is not None and limit.account != TAG + tag:
        return RequestError(Code.BUDGET_EXHAUSTED, f"The relay's budget is exhausted. {resets}")
    period = "in total" if limit.day is None else "per day"
    cost = "" if estimate is None else f" The task would probably cost {estimate.amount:.6g} {unit}."
    detail = (
        f"Budget exhausted: {_owner(limit)} may spend {limit.most:.6g} {unit} {period}; {exceeded.used:.6g} are spent, "
        f"{exceeded.reserved:.6g} are reserved for unfinished tasks, and {exceeded.left:.6g} are left.{cost} {resets}"
    )
    state = BudgetState(
        unit=unit,
        limit=limit.most,
        spent=round(exceeded.used, 9),
        reserved=round(exceeded.reserved, 9),
        left=round(exceeded.left, 9),
        estimate=None if estimate is None else estimate.amount,
        resets_at=exceeded.until,
    )
    return RequestError(Code.BUDGET_EXHAUSTED, detail, budget=state)


def _owner(limit: Limit) -> str:
    if limit.account.startswith(TAG):
        return f"the tag `{limit.account.removeprefix(TAG)}`"
    return f"the API key `{limit.account.removeprefix(KEY)}`" if limit.account else "this relay"


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
