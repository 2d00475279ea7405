"""
Read the part of Wiro's task list that covers a span of time.

The list has no filter by time and grows by every run of the account, so reading it from the newest task on takes longer
the older a run is. Its order is known, though: newest first. A galloping search finds the page where the span begins in
a number of calls that grows with the logarithm of the list's length.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce
from math import inf

from relay.errors import UpstreamUnavailable, UpstreamUnclear
from relay.providers.lenient_json import moment

Task = dict[str, object]
ReadPage = Callable[[int], Awaitable[Sequence[Task]]]
"""Read one page of the list; page 0 has the newest tasks."""

PAGE_TASKS = 50
"""The number of tasks per page. Wiro documents no limit; its own MCP server requests this number."""

SPAN_PAGES = 20
"""The maximum number of pages read per span, so that one search cannot read an account's whole history."""

TRIES = 3
"""How many times one page is requested: one failed call must not fail a search of several calls."""


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time, in unix seconds of Wiro's clock, both ends included."""

    since: float
    until: float

    def __or__(self, other: "Span") -> "Span":
        return Span(min(self.since, other.since), max(self.until, other.until))

    def covers(self, other: "Span") -> bool:
        return self.since <= other.since and other.until <= self.until


class TaskList:
    """
    The task list, read for one caller at a time.

    After an outage many runs are searched at once, and most of them in the same pages. A caller that has waited for its
    turn therefore gets the pages of the previous reading, if that began after the call and covers its span.
    """

    def __init__(self, read: ReadPage) -> None:
        self._read = read
        self._turn = asyncio.Lock()
        self._waiting: list[Span] = []
        self._readings = 0
        self._covered = Span(inf, -inf)
        self._tasks: Sequence[Task] = ()

    async def tasks(self, wanted: Span) -> Sequence[Task]:
        """
        Return the tasks that were created within a span, and some of their neighbours.

        Raises:
            UpstreamError: a page could not be read in any of its attempts.
        """
        before = self._readings
        self._waiting.append(wanted)
        try:
            async with self._turn:
                if self._readings > before and self._covered.covers(wanted):
                    return self._tasks
                return await self._read_for(wanted)
        finally:
            self._waiting.remove(wanted)
            if not self._waiting:
                self._tasks = ()  # nothing can use them any more

    async def _read_for(self, wanted: Span) -> Sequence[Task]:
        together = reduce(Span.__or__, self._waiting, wanted)
        self._readings += 1
        self._covered = Span(inf, -inf)
        self._tasks, reached = await read_span(self._read, together)
        self._covered = Span(reached, together.until)
        if not self._covered.covers(wanted) and together != wanted:  # the pages of one reading did not suffice for all
            return (await read_span(self._read, wanted))[0]
        return self._tasks


async def read_span(read: ReadPage, span: Span) -> tuple[Sequence[Task], float]:
    """
    Return the tasks created within a span, some of their neighbours, and how far back the list was read.

    New tasks may enter the list during the search. They move the others to later pages, which are read afterwards, so
    none is missed; one may be returned twice.

    Raises:
        UpstreamError: a page could not be read in any of its attempts.
    """
    page, listed = 0, await _read(read, 0)
    if not _reaches(listed, span.until):
        page = await _first_page(read, span.until)
        listed = await _read(read, page)
    tasks = [*listed]
    for later in range(page + 1, page + SPAN_PAGES):
        if len(listed) < PAGE_TASKS or _oldest(listed) < span.since:
            break
        listed = await _read(read, later)
        tasks += listed
    return tasks, -inf if len(listed) < PAGE_TASKS else _oldest(listed)


async def _first_page(read: ReadPage, until: float) -> int:
    """Return the first page that has a task created before `until`, where page 0 has none."""
    newer, page = 0, 1
    while not _reaches(await _read(read, page), until):
        newer, page = page, page * 2
    while page - newer > 1:
        middle = (newer + page) // 2
        if _reaches(await _read(read, middle), until):
            page = middle
        else:
            newer = middle
    return page


async def _read(read: ReadPage, page: int) -> Sequence[Task]:
    for _ in range(TRIES - 1):
        with suppress(UpstreamUnavailable, UpstreamUnclear):
            return await read(page)
    return await read(page)


def _reaches(listed: Sequence[Task], until: float) -> bool:
    return len(listed) < PAGE_TASKS or _oldest(listed) <= until


def _oldest(listed: Sequence[Task]) -> float:
    """Return when the oldest task of a page was created; 0 where no task has a time, so that the reading ends there."""
    return min((at for task in listed if (at := moment(task.get("createtime"))) is not None), default=0.0)
