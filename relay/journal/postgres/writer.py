"""
The task that writes. It commits everything that is queued in one statement: the higher the load, the fewer commits.

Every commit has a number, which the database counts too. A commit whose answer is missing is repeated under its number
until there is one, so it takes effect once: after a broken connection, a failover, or a wait that was cut short.

A new connection may find another epoch: the server is one that may have lost commits, and what this process knows of
its tasks is of another history. It only finishes the commit in doubt there, and has the node register again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import orjson

from relay import log
from relay.clock import uptime_s
from relay.core.spending import Limit
from relay.errors import Fenced, StoreError
from relay.journal.availability import Availability
from relay.journal.base import Created
from relay.journal.batch import Batch
from relay.journal.load import Commits
from relay.journal.postgres.connection import BROKEN
from relay.journal.postgres.deadline import deadline
from relay.journal.postgres.epoch import read_epoch
from relay.journal.postgres.jobs import Job, Queue
from relay.journal.postgres.lease import LEASE
from relay.journal.postgres.membership import Membership
from relay.journal.postgres.session import ANSWER_S, Session, Unanswered

if TYPE_CHECKING:
    from relay.journal.postgres.connection import Connection

PATIENCE_S: Final = 5.0
"""How long a job waits for a connection. It fails then, without having been tried."""

MAX_ANSWER_S: Final = 60.0
"""How long to wait for an answer at most. The wait doubles with each repetition: the database may only be slow."""

RETRY_S: Final = 0.2
"""The pause before another attempt to connect."""

_log = log.get("journal")

_APPEND: Final = "SELECT verdict, taken, refused FROM relay_append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"

_WRONG: Final = ("22", "23", "54")
"""The classes of errors in the data of a statement. It fails each time, so an earlier attempt has failed, too."""


class _AnotherEpoch(StoreError):
    """The server that was reached has another history than the node."""


class Writer:
    """A queue of jobs. The result of each is set after its commit and after `publish`."""

    def __init__(
        self,
        connect: Callable[[], Awaitable["Connection"]],
        membership: Membership,
        *,
        history_events: int,
        history_bytes: int,
        publish: Callable[[Sequence[Batch]], None],
        commits: Commits | None = None,
    ) -> None:
        """
        Args:
            connect: opens a connection, or raises StoreError.
            membership: this process as a node.
            history_events: how many events before the stored snapshot to keep of each log.
            history_bytes: how many bytes of events to keep of each log.
            publish: called with the batches of a commit.
            commits: counts the commits.
        """
        self._open = connect
        self._session = Session(self._open_checked)
        self._membership = membership
        self._limits = history_events, history_bytes
        self._publish = publish
        self._commits = Commits() if commits is None else commits
        self._queue = Queue()
        self._wake = asyncio.Event()
        self._closing = False
        self._node = ""
        """The node whose commits are counted."""
        self._number = 0
        """The number of its last commit."""
        self._dead = ""
        """The last node that was found to be dead."""
        self._epoch = ""
        """The epoch that the connection found."""
        self._in_doubt = False
        """Whether a commit was sent and has not been answered."""
        self.availability = Availability("write")
        self._running = asyncio.create_task(self._run(), name="journal-writer")

    @property
    def queued(self) -> int:
        """How many jobs wait for the next commit."""
        return len(self._queue)

    def create(
        self, batch: Batch, row: bytes, key: str | None, limits: Sequence[Limit] = ()
    ) -> asyncio.Future[Created]:
        """Create a task; `row` is what `rows.create_row` returns."""
        return self._submit(batch, row, creates=True, key=key, limits=limits)

    def append(self, batch: Batch, row: bytes) -> asyncio.Future[Created]:
        """Append a batch; `row` is what `rows.append_row` returns."""
        return self._submit(batch, row, creates=False, key=None)

    async def close(self) -> None:
        """Finish all jobs, unless the database is gone, and end the task. No job may be submitted after that."""
        self._closing = True
        self._wake.set()
        await self._running
        await self._session.close()

    def _submit(
        self, batch: Batch, row: bytes, *, creates: bool, key: str | None, limits: Sequence[Limit] = ()
    ) -> asyncio.Future[Created]:
        result: asyncio.Future[Created] = asyncio.get_running_loop().create_future()
        self._queue.put(
            Job(
                node=self._membership.id,
                batch=batch,
                row=row,
                creates=creates,
                key=key,
                limits=limits,
                submitted_s=uptime_s(),
                result=result,
            )
        )
        self._wake.set()
        return result

    async def _run(self) -> None:
        while self._queue or not self._closing:
            self._wake.clear()
            if self._queue:
                await self._commit_next()
            if not self._queue and not self._closing:
                await self._wake.wait()

    async def _commit_next(self) -> None:
        """Commit what waits, which is everything that came during the last commit."""
        group: list[Job] = []
        try:
            if await self._connect():
                group = self._take()
                self._commits.began()
                await self._commit(group)
        except Exception as error:  # noqa: BLE001 - the task's boundary: all callers would hang if it ended
            _log.error("journal.job_failed", exc_info=error)
            for job in group:
                job.fail(StoreError(f"the journal could not be written: {type(error).__name__}"))
            if group:
                self._fence(self._node)  # the number of the commit may be in use
            await asyncio.sleep(RETRY_S)
        finally:
            self._commits.ended()

    async def _connect(self) -> bool:
        """Return whether there is a connection. If not, fail the jobs that have waited too long for one."""
        if self._membership.id == self._dead:
            self._take()  # all of them fail
            return False
        if self._epoch != self._membership.epoch:  # the node has registered on another server
            self._session.drop()
        try:
            await self._session.connect()
        except _AnotherEpoch:
            return False
        except StoreError as error:
            self._give_up(error)
            await asyncio.sleep(RETRY_S)
            return False
        return True

    async def _open_checked(self) -> "Connection":
        """
        Connect, and compare the epoch of the server with that of the node.

        Raises:
            _AnotherEpoch: they differ, and no commit is in doubt.
            StoreError: the server was not reached, or refused.
        """
        node = self._membership.id
        connection = await self._open()
        try:
            with deadline(connection, ANSWER_S):
                self._epoch = await read_epoch(connection)
        except (*BROKEN, asyncpg.PostgresError) as error:
            connection.terminate()
            raise StoreError(f"the epoch could not be read: {error}") from error
        if self._epoch != self._membership.epoch:
            # A node that has registered meanwhile may have done so on another server. Then this is only the wrong one.
            if self._dead != node == self._membership.id:
                self._fence(node)
            if not self._in_doubt:
                connection.terminate()
                raise _AnotherEpoch(f"the epoch of the database is {self._epoch}, not {self._membership.epoch}")
        return connection

    def _give_up(self, error: StoreError) -> None:
        """Fail the jobs that have waited too long; when closing, all."""
        self.availability.failed(error)
        for job in self._queue.drop(uptime_s() + (RETRY_S if self._closing else -PATIENCE_S)):
            job.fail(StoreError(f"the journal could not be written: {error}"))

    def _take(self) -> list[Job]:
        """Return the jobs of the next commit. Fail those of a node that is dead."""
        group = []
        for job in self._queue.take():
            if job.node == self._membership.id != self._dead:
                group.append(job)
            else:
                job.fail(_fenced(job))
        return group

    async def _commit(self, group: list[Job]) -> None:
        """Commit jobs of one node and set their results."""
        if not group:
            return
        if group[0].node == self._dead:  # since the group was taken
            for job in group:
                job.fail(_fenced(job))
            return
        if group[0].node != self._node:
            self._node, self._number = group[0].node, 0
        issued_s = uptime_s()
        try:
            answer = await self._call(group, self._number + 1)
        except _AnotherEpoch:
            for job in group:
                job.fail(_fenced(job))
        except StoreError as error:
            self.availability.failed(error)
            for job in group:
                job.fail(StoreError(f"the journal could not be written: {error}"))
        except (ValueError, asyncpg.PostgresError) as error:
            if len(group) > 1:  # find the job that is wrong
                for job in group:
                    await self._commit([job])
            else:
                group[0].fail(ValueError(f"task {group[0].task} cannot be stored: {error}"))
        else:
            self.availability.succeeded()
            self._settle(group, answer, issued_s)
        finally:
            self._in_doubt = False

    async def _call(self, group: Sequence[Job], number: int) -> "asyncpg.Record":
        """
        Call `relay_append` until there is an answer.

        Raises:
            ValueError, asyncpg.PostgresError: the data of a job is wrong, and nothing was committed.
            StoreError: the database refuses, and nothing was committed; or it is gone while the writer closes.
        """
        arguments = self._arguments(group, number)
        answer_s = ANSWER_S
        while True:
            try:
                (answer,) = await self._session.run(_APPEND, *arguments, limit_s=answer_s)
            except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError):
                continue
            except asyncpg.PostgresError as error:
                if (error.sqlstate or "")[:2] in _WRONG:
                    raise
                self._session.drop()  # such as a server that accepts no writes any more
                failure = StoreError(str(error))
                if not self._in_doubt:
                    raise failure from error
            except StoreError as error:
                self._in_doubt = self._in_doubt or isinstance(error, Unanswered)
                failure = error
                answer_s = min(answer_s * 2, MAX_ANSWER_S)
            else:
                return answer
            if self._closing or not self._in_doubt:
                raise failure
            await self._reconnect(failure)

    async def _reconnect(self, failure: StoreError) -> None:
        """Connect again, as a commit is in doubt; fail the jobs that wait too long behind it."""
        while not self._closing:
            self._give_up(failure)
            try:
                await self._session.connect()
            except StoreError as error:
                failure = error
                await asyncio.sleep(RETRY_S)
            else:
                return

    def _arguments(self, group: Sequence[Job], number: int) -> tuple[Any, ...]:
        entries = [entry for job in group for entry in job.batch.entries]
        return (
            int(self._node),
            number,
            LEASE,
            _array([job.row for job in group if job.creates]),
            _array([job.row for job in group if not job.creates]),
            [entry.task for entry in entries],
            [entry.seq for entry in entries],
            [entry.body for entry in entries],
            *self._limits,
        )

    def _settle(self, group: Sequence[Job], answer: "asyncpg.Record", issued_s: float) -> None:
        """Publish what was committed and set the results."""
        verdict, taken = answer["verdict"], set(answer["taken"] or ())
        committed = [job for job in group if job.task in taken]
        others = [job for job in group if job.task not in taken]
        if committed:
            self._publish([job.batch for job in committed])
        if verdict not in {"new", "again"}:
            for job in group:
                job.fail(_fenced(job))
            self._fence(self._node)
            return
        self._number += 1
        self._membership.batch_committed(self._number)
        for job in committed:
            job.succeed(issued_s)
        if verdict == "again":  # why they were refused is not known any more
            self._queue.put_back(others)
        else:
            reasons = {reason["task"]: reason for reason in orjson.loads(answer["refused"])}
            for job in others:
                job.refuse(reasons[job.task])

    def _fence(self, node: str) -> None:
        """Write nothing more as this node."""
        self._dead = node
        if self._membership.id == node:  # it may have registered as another one meanwhile
            self._membership.fenced()


def _fenced(job: Job) -> Fenced:
    return Fenced(f"this node was declared dead before it wrote to task {job.task}")


def _array(rows: Sequence[bytes]) -> str | None:
    """Return elements that are JSON as an array; null without any."""
    return f"[{b','.join(rows).decode()}]" if rows else None
