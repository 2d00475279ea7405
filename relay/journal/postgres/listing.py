"""
Lists of tasks, newest first, for a million tasks.

The table `listed` has a row of each task for each of its tags, and one with the empty tag. A page is read from ranges
of an index, one for each provider and state, or each state of a model, so that it takes a few rows of each. Only a
search by words may have to test rows that it does not return (`search`).
"""

from dataclasses import replace
from typing import Final

from relay.core.events import State
from relay.journal.lists import Filter, ListPosition
from relay.journal.postgres.reader import Reader
from relay.journal.postgres.rows import ALL_TASKS
from relay.journal.postgres.search import load_found
from relay.journal.postgres.window import PROVIDERS, WINDOW, Window

# $1 to $5 are those of a window, $6 its tag, $7 its model or null, and $8 the limit. A LIMIT in a subquery keeps the
# planner from joining in another order.

_BY_PROVIDER: Final = f"""
{PROVIDERS}
SELECT l.created_at, l.task FROM providers p CROSS JOIN unnest($2::text[]) AS s (state) CROSS JOIN LATERAL (
  SELECT l.created_at, l.task FROM listed l
  WHERE l.tag = $6 AND $7::text IS NULL AND l.provider = p.name AND l.state = s.state AND {WINDOW}
  ORDER BY l.created_at DESC, l.task DESC LIMIT $8
) l ORDER BY 1 DESC, 2 DESC LIMIT $8
"""  # noqa: S608 - literals of this module

_BY_MODEL: Final = f"""
SELECT l.created_at, l.task FROM unnest($2::text[]) AS s (state) CROSS JOIN LATERAL (
  SELECT l.created_at, l.task FROM listed l
  WHERE l.tag = $6 AND l.model = $7::text AND ($1::text IS NULL OR l.provider = $1) AND l.state = s.state AND {WINDOW}
  ORDER BY l.created_at DESC, l.task DESC LIMIT $8
) l ORDER BY 1 DESC, 2 DESC LIMIT $8
"""  # noqa: S608 - literals of this module


_COUNT_BY_PROVIDER: Final = f"""
{PROVIDERS}
SELECT s.state, sum(n.rows)::bigint AS tasks
FROM providers p CROSS JOIN unnest($2::text[]) AS s (state) CROSS JOIN LATERAL (
  SELECT count(*) AS rows FROM (
    SELECT FROM listed l
    WHERE l.tag = $6 AND $7::text IS NULL AND l.provider = p.name AND l.state = s.state AND {WINDOW} LIMIT $8
  ) l
) n GROUP BY s.state
"""  # noqa: S608 - literals of this module

_COUNT_BY_MODEL: Final = f"""
SELECT s.state, n.rows AS tasks FROM unnest($2::text[]) AS s (state) CROSS JOIN LATERAL (
  SELECT count(*) AS rows FROM (
    SELECT FROM listed l
    WHERE l.tag = $6 AND l.model = $7::text AND ($1::text IS NULL OR l.provider = $1) AND l.state = s.state AND {WINDOW}
    LIMIT $8
  ) l
) n
"""  # noqa: S608 - literals of this module

_STALLED: Final = "SELECT task FROM stalled"

MAX_COUNTED: Final = 10_000
"""How many tasks of a state a count reads at most if it has to read them."""


async def load_page(reader: Reader, where: Filter, after: ListPosition | None, limit: int) -> tuple[ListPosition, ...]:
    """
    Return tasks, newest first, after the position `after`.

    Raises:
        StoreError: the store failed.
        StoreTimeout: a search took too long.
    """
    if where.tag == ALL_TASKS:
        return ()  # no task has an empty tag
    window = Window.of(where, after)
    if where.stalled is None:
        return await _load(reader, window, where.words, limit)
    stalled = [row["task"] for row in await reader.fetch(_STALLED)]
    if where.stalled:
        return await load_found(reader, window, where.words, limit, among=stalled)
    places = await _load(reader, window, where.words, limit + len(stalled))
    others = set(stalled)
    return tuple(place for place in places if place.id not in others)[:limit]


async def count_tasks(reader: Reader, where: Filter, limit: int | None) -> dict[State, int]:
    """
    Return the number of tasks in each state, at most `limit` of each.

    Raises:
        StoreError: the store failed.
        StoreTimeout: a search took too long.
    """
    if where.tag == ALL_TASKS:
        return {}
    if where.words or where.stalled is not None:
        most = MAX_COUNTED if limit is None else limit
        states = where.states or tuple(State)
        pages = [await load_page(reader, replace(where, states=(state,)), None, most) for state in states]
        return {state: len(page) for state, page in zip(states, pages, strict=True)}
    window = Window.of(where, None)
    count = _COUNT_BY_PROVIDER if where.model is None else _COUNT_BY_MODEL
    rows = await reader.fetch(count, *window.values, window.tag, window.model, limit)
    counts = {State(row["state"]): row["tasks"] for row in rows}
    return counts if limit is None else {state: min(tasks, limit) for state, tasks in counts.items()}


async def _load(reader: Reader, window: Window, words: tuple[str, ...], limit: int) -> tuple[ListPosition, ...]:
    if words:
        return await load_found(reader, window, words, limit)
    rows = await reader.fetch(
        _BY_PROVIDER if window.model is None else _BY_MODEL, *window.values, window.tag, window.model, limit
    )
    return tuple(ListPosition(created_at=row["created_at"], id=row["task"]) for row in rows)
