"""Jobs of the writer: the result that each refusal leads to, and callers that have gone."""

import asyncio

import pytest

from relay.errors import StoreError
from relay.journal.base import Created
from relay.journal.batch import Batch
from relay.journal.postgres.jobs import Job
from tests.journal.postgres.records import event


def job() -> Job:
    """Return a job that appends the second event of a task."""
    result: asyncio.Future[Created] = asyncio.get_running_loop().create_future()
    return Job(node="1", batch=Batch.of([event("a", 2)]), row=b"{}", creates=False, submitted_s=0.0, result=result)


async def test_a_caller_that_has_gone_gets_no_result() -> None:
    """Its future is cancelled, and to set a result would raise in the task that writes for all others."""
    gone = job()
    gone.result.cancel()
    gone.succeed(1.0)
    gone.refuse({"task": "a", "why": "owner"})
    gone.fail(StoreError("the store is gone"))

    assert gone.result.cancelled()


async def test_an_append_that_was_out_of_order_names_both_seqs() -> None:
    """Another call has appended before it."""
    late = job()
    late.refuse({"task": "a", "why": "seq", "seq": 2})

    with pytest.raises(ValueError, match="not the next"):
        await late.result


async def test_a_log_may_have_changed_between_the_refusal_and_its_reason() -> None:
    """What the database then returns as the last seq would not have led to the refusal."""
    late = job()
    late.refuse({"task": "a", "why": "seq", "seq": 1})

    with pytest.raises(ValueError, match="the log of a has changed"):
        await late.result
