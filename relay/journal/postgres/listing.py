"""
Lists of tasks, newest first, for a million tasks.

The table `listed` has a row of each task for each of its tags, and one with the empty tag. A page is read from ranges
of an index, one for each provider and state, or each state of a model, so that it takes a few rows of each. Only a
search by words may have to test rows that it does not return: the tasks with a word are looked up if they are few;
otherwise, the list is searched from its newest task on, and the server stops it after a while.
"""

from math import inf
from typing import Final

from relay.core.events import State
from relay.journal.base import Filter, ListPosition
from relay.journal.postgres.reader import Reader
from relay.journal.postgres.rows import ALL_TASKS

FEW = 2000
"""A word that at most this many tasks have is looked up first."""

_LAST_CHAR: Final = "\U0010ffff"
"""A word followed by this sorts behind everything that starts with the word."""

# In all statements: $1 tag, $2 model or null, $3 provider or null, $4 states, $5 since, $6 and $7 the position after
# which to list, $8 limit, $9 the first words of ranges, $10 their ends.

_PROVIDERS: Final = """
WITH RECURSIVE provider AS (
  (SELECT provider AS name FROM listed WHERE tag = $1 AND $3::text IS NULL ORDER BY provider LIMIT 1)
  UNION ALL
  SELECT (SELECT l.provider FROM listed l WHERE l.tag = $1 AND l.provider > p.name ORDER BY l.provider LIMIT 1)
  FROM provider p WHERE p.name IS NOT NULL
), providers AS (
  SELECT name FROM provider WHERE name IS NOT NULL UNION ALL SELECT $3 WHERE $3 IS NOT NULL
)
"""
"""The providers of a list. Each step skips to the next one in the index."""

_WINDOW: Final = "l.created_at >= $5 AND (l.created_at, l.task) < ($6, $7::text)"

_HAS_WORDS: Final = """
NOT EXISTS (
  SELECT FROM unnest($9::text[], $10::text[]) AS asked(first, last)
  WHERE NOT (
    l.task >= asked.first AND l.task < asked.last
    OR EXISTS (
      SELECT FROM listed g CROSS JOIN LATERAL (
        SELECT FROM words w
        WHERE w.name = ANY (ARRAY[g.tag, g.model]) AND w.word >= asked.first AND w.word < asked.last LIMIT 1
      ) w WHERE g.task = l.task
    )
  )
)
"""
"""The condition that row `l` of `listed` is of a task with all words: prefixes of its id or of words in its names."""

# A LIMIT in a subquery keeps the planner from joining in another order.

_BY_PROVIDER: Final = f"""
{_PROVIDERS}
SELECT l.created_at, l.task FROM providers p CROSS JOIN unnest($4::text[]) AS s(state) CROSS JOIN LATERAL (
  SELECT l.created_at, l.task FROM listed l
  WHERE l.tag = $1 AND $2::text IS NULL AND l.provider = p.name AND l.state = s.state AND {{tests}}
  ORDER BY l.created_at DESC, l.task DESC LIMIT $8
) l ORDER BY 1 DESC, 2 DESC LIMIT $8
"""  # noqa: S608 - literals of this module

_BY_MODEL: Final = """
SELECT l.created_at, l.task FROM unnest($4::text[]) AS s(state) CROSS JOIN LATERAL (
  SELECT l.created_at, l.task FROM listed l
  WHERE l.tag = $1 AND l.model = $2::text AND ($3::text IS NULL OR l.provider = $3) AND l.state = s.state AND {tests}
  ORDER BY l.created_at DESC, l.task DESC LIMIT $8
) l ORDER BY 1 DESC, 2 DESC LIMIT $8
"""

_FOUND: Final = """
SELECT h.task FROM heads h WHERE h.task >= $1 AND h.task < $2
UNION ALL
SELECT l.task FROM words w CROSS JOIN LATERAL (
  SELECT task FROM listed WHERE tag = w.name LIMIT $3
) l WHERE w.word >= $1 AND w.word < $2
UNION ALL
SELECT l.task FROM words w CROSS JOIN LATERAL (
  SELECT task FROM listed WHERE tag = '' AND model = w.name LIMIT $3
) l WHERE w.word >= $1 AND w.word < $2
LIMIT $3
"""
"""The tasks with a word, possibly more than once."""

_LOOK_UP: Final = f"""
SELECT l.created_at, l.task FROM unnest($11::text[]) AS found(task) JOIN listed l ON l.task = found.task AND l.tag = $1
WHERE ($2::text IS NULL OR l.model = $2) AND ($3::text IS NULL OR l.provider = $3) AND l.state = ANY ($4::text[])
  AND {_WINDOW} AND {_HAS_WORDS}
ORDER BY 1 DESC, 2 DESC LIMIT $8
"""  # noqa: S608 - literals of this module


async def load_page(reader: Reader, where: Filter, after: ListPosition | None, limit: int) -> tuple[ListPosition, ...]:
    """
    Return tasks, newest first, after the position `after`.

    Raises:
        StoreError: the store failed.
        StoreTimeout: a search took too long.
    """
    if where.tag == ALL_TASKS:
        return ()  # no task has an empty tag
    until = ListPosition(created_at=inf if where.until is None else where.until, id="")
    behind = until if after is None else min(until, after, key=lambda position: (position.created_at, position.id))
    arguments: list[object] = [
        where.tag or ALL_TASKS,
        None if where.model is None else where.model.lower(),
        where.provider,
        list(dict.fromkeys(where.states or tuple(State))),
        -inf if where.since is None else where.since,
        behind.created_at,
        behind.id,
        limit,
    ]
    tests = _WINDOW
    if where.words:
        arguments += [list(where.words), [word + _LAST_CHAR for word in where.words]]
        for word in where.words:
            found = await reader.fetch(_FOUND, word, word + _LAST_CHAR, FEW + 1)
            if len(found) <= FEW:
                arguments.append(sorted({row["task"] for row in found}))
                return await _load(reader, _LOOK_UP, arguments)
        tests = f"{_WINDOW} AND {_HAS_WORDS}"
    ranges = _BY_PROVIDER if where.model is None else _BY_MODEL
    return await _load(reader, ranges.format(tests=tests), arguments)


async def _load(reader: Reader, query: str, arguments: list[object]) -> tuple[ListPosition, ...]:
    rows = await reader.fetch(query, *arguments)
    return tuple(ListPosition(created_at=row["created_at"], id=row["task"]) for row in rows)
