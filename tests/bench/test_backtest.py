"""Estimates against the truth, for runs that the sandbox plans."""

from bench.backtest import backtest, score


def test_estimates_are_honest() -> None:
    """Between p50 and p90 end 35 to 55 % of the runs, and at most 15 % end later."""
    found = score(backtest(runs=160, seed=7))
    assert found.known >= 0.9
    assert 0.35 <= found.within <= 0.55, found
    assert found.late <= 0.15, found
