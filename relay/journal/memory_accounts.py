"""The accounts of a journal in memory."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from relay.core.history.tally import DAY_S, total
from relay.core.spending import (
    EVER,
    HOUR_S,
    TAG,
    Charge,
    Exceeded,
    Limit,
    Unit,
    Use,
    accounts_of,
    spending_exceeds,
    starts_exceed,
    tasks_exceed,
)
from relay.journal.accounts import KEPT_DAYS, SPENT_DAYS
from relay.journal.base import StoredTask


@dataclass(frozen=True, slots=True)
class _Start:
    task: str
    tag: str
    at: float


class MemoryAccounts:
    """See `relay.journal.accounts.Accounts`."""

    def __init__(self) -> None:
        self._starts: list[_Start] = []
        self._spent: dict[tuple[str, int, Unit], float] = {}
        self._uses: dict[tuple[int, str, str, str, str], Use] = {}

    def check(self, limits: Sequence[Limit], task: StoredTask, unfinished: Collection[StoredTask]) -> Exceeded | None:
        """Return the first limit that does not allow a task beside those that have not ended."""
        for limit in limits:
            beside = [each for each in unfinished if limit.account in accounts_of(each.started_by, each.tags)]
            match limit.counted:
                case "running":
                    exceeded = tasks_exceed(limit, len(beside))
                case "starts":
                    at = (start.at for start in self._starts if TAG + start.tag == limit.account)
                    exceeded = starts_exceed(limit, sorted(at, reverse=True), task.created_at)
                case unit:
                    spent = self._spent.get((limit.account, EVER if limit.day is None else limit.day, unit), 0.0)
                    costs = (each.estimate for each in beside)
                    reserved = sum(cost.amount for cost in costs if cost is not None and cost.unit == unit)
                    exceeded = spending_exceeds(limit, spent, reserved, task.estimate)
            if exceeded is not None:
                return exceeded
        return None

    def start(self, task: StoredTask) -> None:
        """Add the start of a task."""
        self._starts.extend(_Start(task.id, tag, task.created_at) for tag in task.tags)

    def refuse(self, task: str) -> None:
        """Remove the start of a task that the platform has refused."""
        self._starts = [start for start in self._starts if start.task != task]

    def add(self, charge: Charge) -> None:
        """Add the charge of a task that has ended."""
        for account, day, unit, amount in charge.spent():
            place = account, day, unit
            self._spent[place] = self._spent.get(place, 0.0) + amount
        for use in charge.rows():
            known = self._uses.get(use.place)
            self._uses[use.place] = use if known is None else replace(use, counts=total([known.counts, use.counts]))

    async def usage(self, *, since: int, until: int, tagged: bool) -> Sequence[Use]:
        found = (use for use in self._uses.values() if since <= use.day <= until and bool(use.tag) == tagged)
        return sorted(found, key=attrgetter("place"))

    async def spent(self, account: str, day: int, unit: Unit) -> float:
        return self._spent.get((account, day, unit), 0.0)

    async def forget(self, *, now: float) -> None:
        today = int(now // DAY_S)
        self._starts = [start for start in self._starts if start.at > now - HOUR_S]
        self._spent = {
            place: amount for place, amount in self._spent.items() if place[1] == EVER or place[1] > today - SPENT_DAYS
        }
        self._uses = {place: use for place, use in self._uses.items() if use.day > today - KEPT_DAYS}
