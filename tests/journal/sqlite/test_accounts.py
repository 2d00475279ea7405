"""The accounts of a file survive a restart (see tests/contract/test_accounts.py for the rest)."""

from pathlib import Path

from relay.journal.sqlite import SQLiteJournal
from tests.contract.test_accounts import RUNNING, STARTS, end, spend, start, usd


async def test_limits_hold_over_a_restart(tmp_path: Path) -> None:
    """What is reserved belongs to tasks that have not ended, whatever has become of the process that started them."""
    path, limits = tmp_path / "relay.db", (RUNNING, STARTS, spend(2.0))
    for number in range(4):
        journal = SQLiteJournal(path)
        await journal.open(lock=True)
        made = await start(journal, f"t{number}", spend(2.0), estimate=usd(0.75))
        assert (made.exceeded is None) == (number < 2)
        await journal.close()
    journal = SQLiteJournal(path)
    await journal.open(lock=True)
    await end(journal, "t0", usd(0.5))
    made = await start(journal, "t9", *limits, estimate=usd(0.75))
    assert made.exceeded is None
    refused = (await start(journal, "t10", spend(2.0), estimate=usd(0.75))).exceeded
    assert refused is not None
    assert (refused.used, refused.reserved) == (0.5, 1.5)
    await journal.close()
