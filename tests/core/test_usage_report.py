"""What is reported of the usage: by day, tag, model and API key."""

from collections.abc import Mapping

import pytest

from relay.core.spending import Use
from relay.core.usage_report import Amount, By, UsageSummary, summarize

DAY = 20_783  # 2026-11-26


def use(
    counts: Mapping[str, float],
    *,
    day: int = DAY,
    tag: str = "",
    key: str = "",
    provider: str = "wiro",
    model: str = "o/m",
) -> Use:
    return Use(day=day, tag=tag, key=key, provider=provider, model=model, counts=counts)


def test_counts_are_summed_up() -> None:
    """Failed and lost tasks are failures. A cost that is not known is in no sum."""
    uses = [
        use({"count": 3, "verdict:succeeded": 2, "verdict:failed": 1, "cost:usd": 0.1, "run_s": 10.0}),
        use({"count": 2, "verdict:lost": 1, "verdict:canceled": 1, "cost:usd": 0.2, "unknown_cost": 1}, key="shop"),
        use({"count": 1, "verdict:succeeded": 1, "cost:credits": 7.0, "run_s": 0.5}, model="o/n"),
    ]

    assert summarize(uses, "day") == (
        UsageSummary(
            name="2026-11-26",
            provider=None,
            count=6,
            failures=2,
            cost=(Amount(unit="usd", total=0.3), Amount(unit="credits", total=7.0)),
            unknown_costs=1,
            run_s=10.5,
        ),
    )


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("day", [("2026-11-26", None), ("2026-11-25", None)]),
        ("tag", [("a", None), ("b", None)]),
        ("model", [("o/m", "apikley"), ("o/m", "wiro"), ("o/n", "wiro")]),
        ("key", [("", None), ("shop", None)]),
    ],
)
def test_days_come_newest_first_and_the_rest_by_name(by: By, names: list[tuple[str, str | None]]) -> None:
    """Two providers may have models of the same name."""
    uses = [
        use({"count": 1}, tag="b", day=DAY - 1),
        use({"count": 1}, tag="a", key="shop", model="o/n"),
        use({"count": 1}, tag="a", provider="apikley"),
    ]

    found = summarize(uses, by)

    assert [(each.name, each.provider) for each in found] == names
    assert sum(each.count for each in found) == 3
