"""
Searches by words: chooses the rows of `listed` among which the tasks with all words are found.

The tasks with a word are looked up if they are few. Otherwise they are ranges of the indexes of `listed`, if few tags
and models have the word. The choice is between these ranges, of each word, and those of the list that is searched.
They are merged from the newest task on, some rows at a time, and the rows are tested for the other words, until there
are enough. So a search whose words are rarely found together takes long, but none of its statements does.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from relay.clock import uptime_s
from relay.journal.lists import ListPosition
from relay.journal.postgres.reader import Reader
from relay.journal.postgres.rows import ALL_TASKS
from relay.journal.postgres.window import PROVIDERS, WINDOW, Window

if TYPE_CHECKING:
    import asyncpg

FEW = 2000
"""The tasks with a word are looked up if they are at most this many."""

MAX_NAMES = 32
"""The tasks with a word are ranges if at most this many tags and models have it."""

COUNTED: Final = 300
"""Up to which number of rows of each range the choices are compared."""

MAX_ROWS: Final = 2000
"""How many rows of a merge are tested at once."""

MAX_MERGED: Final = 20_000
"""How many rows of all its ranges a merge reads at once."""

_LAST_CHAR: Final = "\U0010ffff"
"""A word followed by this sorts behind everything that starts with the word."""

# A LIMIT in a subquery keeps the planner from joining in another order.

_WORDS: Final = """
SELECT (
  SELECT CASE WHEN count(*) <= $3 THEN coalesce(array_agg(DISTINCT f.task), '{}') END FROM (
    SELECT h.task FROM heads h WHERE h.task >= a.first AND h.task < a.last
    UNION ALL
    SELECT t.task FROM title_words t WHERE t.word >= a.first AND t.word < a.last
    UNION ALL
    SELECT l.task FROM words w CROSS JOIN LATERAL (
      SELECT task FROM listed WHERE tag = w.name LIMIT $3 + 1
    ) l WHERE w.word >= a.first AND w.word < a.last
    UNION ALL
    SELECT l.task FROM words w CROSS JOIN LATERAL (
      SELECT task FROM listed WHERE tag = '' AND model = w.name LIMIT $3 + 1
    ) l WHERE w.word >= a.first AND w.word < a.last
    LIMIT $3 + 1
  ) f
) AS tasks, (
  SELECT CASE WHEN count(*) <= $3 THEN coalesce(array_agg(DISTINCT f.task), '{}') END FROM (
    SELECT h.task FROM heads h WHERE h.task >= a.first AND h.task < a.last
    UNION ALL
    SELECT t.task FROM title_words t WHERE t.word >= a.first AND t.word < a.last
    LIMIT $3 + 1
  ) f
) AS ids, (
  SELECT CASE WHEN count(*) <= $4 THEN coalesce(array_agg(f.name), '{}') END FROM (
    SELECT DISTINCT w.name FROM words w WHERE w.word >= a.first AND w.word < a.last LIMIT $4 + 1
  ) f
) AS names
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS a (first, last, number) ORDER BY a.number
"""
"""For each word: the tasks with it, those with it in id or title, and the tags and models with it. Null: too many."""

# In the following statements, $1 to $5 are those of a window. In _MERGE, $6 is its tag and $7 its model or null.

_RANGES: Final = f"""
{PROVIDERS}
SELECT c.choice, c.tag, c.model, p.name AS provider, s.state, n.rows
FROM unnest($6::bigint[], $7::text[], $8::text[]) AS c (choice, tag, model)
CROSS JOIN providers p CROSS JOIN unnest($2::text[]) AS s (state) CROSS JOIN LATERAL (
  SELECT count(*) AS rows FROM (
    SELECT FROM listed l WHERE l.tag = c.tag AND l.provider = p.name AND l.state = s.state AND {WINDOW} LIMIT $9
  ) l
) n WHERE c.model IS NULL AND n.rows > 0
UNION ALL
SELECT c.choice, c.tag, c.model, NULL, s.state, n.rows
FROM unnest($6::bigint[], $7::text[], $8::text[]) AS c (choice, tag, model)
CROSS JOIN unnest($2::text[]) AS s (state) CROSS JOIN LATERAL (
  SELECT count(*) AS rows FROM (
    SELECT FROM listed l
    WHERE l.tag = c.tag AND l.model = c.model AND ($1::text IS NULL OR l.provider = $1) AND l.state = s.state
      AND {WINDOW} LIMIT $9
  ) l
) n WHERE c.model IS NOT NULL AND n.rows > 0
"""  # noqa: S608 - literals of this module
"""The ranges that have rows, of choices whose tags are $7 and whose models are $8 or null."""

_MERGE: Final = f"""
WITH merged AS MATERIALIZED (
  SELECT DISTINCT l.created_at, l.task FROM (
    SELECT l.created_at, l.task
    FROM unnest($9::text[], $10::text[], $11::text[], $12::text[]) AS r (tag, model, provider, state)
    CROSS JOIN LATERAL (
      (
        SELECT l.created_at, l.task FROM listed l
        WHERE r.model IS NULL AND l.tag = r.tag AND l.provider = r.provider AND l.state = r.state AND {WINDOW}
        ORDER BY l.created_at DESC, l.task DESC LIMIT $8
      ) UNION ALL (
        SELECT l.created_at, l.task FROM listed l
        WHERE l.tag = r.tag AND l.model = r.model AND ($1::text IS NULL OR l.provider = $1) AND l.state = r.state
          AND {WINDOW}
        ORDER BY l.created_at DESC, l.task DESC LIMIT $8
      )
    ) l
    UNION ALL
    SELECT l.created_at, l.task FROM unnest($13::text[]) AS found (task) JOIN listed l ON l.task = found.task
    WHERE l.tag = $6 AND ($7::text IS NULL OR l.model = $7) AND ($1::text IS NULL OR l.provider = $1)
      AND l.state = ANY ($2::text[]) AND {WINDOW}
  ) l ORDER BY 1 DESC, 2 DESC LIMIT $8
)
SELECT l.created_at, l.task, {{tests}} AS matches FROM merged l ORDER BY 1 DESC, 2 DESC
"""  # noqa: S608 - literals of this module
"""The first rows of ranges, and of the tasks $13 that are in the list."""

_IS_LISTED: Final = (
    "EXISTS (SELECT FROM listed g WHERE g.task = l.task AND g.tag = $6 AND ($7::text IS NULL OR g.model = $7))"
)

_NO_TEST: Final = "true"

_FIRST_TEST: Final = 14
"""The number of the first parameter of the tests."""

_HAS_WORD: Final = """(
  l.task >= ${first} AND l.task < ${last} OR EXISTS (
    SELECT FROM title_words t WHERE t.task = l.task AND t.word >= ${first} AND t.word < ${last}
  ) OR CASE WHEN ${names}::text[] IS NULL THEN EXISTS (
    SELECT FROM listed g CROSS JOIN LATERAL (
      SELECT FROM words w
      WHERE w.name = ANY (ARRAY[g.tag, g.model]) AND w.word >= ${first} AND w.word < ${last} LIMIT 1
    ) w WHERE g.task = l.task
  ) ELSE EXISTS (
    SELECT FROM listed g WHERE g.task = l.task AND (g.tag = ANY (${names}) OR g.model = ANY (${names}))
  ) END
)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Word:
    """A word of the search, with its row of _WORDS."""

    first: str
    last: str
    tasks: list[str] | None
    ids: list[str] | None
    names: list[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    """Rows among which the tasks are: ranges of tags and models, and tasks with certain ids."""

    ranges: tuple[tuple[str, str | None], ...]
    """Each is a tag, and a model or null for all."""
    ids: list[str]
    tests_list: bool
    """Whether to test that the tasks are in the list."""
    tested: tuple[_Word, ...]
    """The words to test."""

    @property
    def tests(self) -> str:
        """The condition on a row `l` of _MERGE."""
        numbers = range(_FIRST_TEST, _FIRST_TEST + 3 * len(self.tested), 3)
        words = [_HAS_WORD.format(first=number, last=number + 1, names=number + 2) for number in numbers]
        return " AND ".join([_IS_LISTED, *words] if self.tests_list else words) or _NO_TEST

    @property
    def values(self) -> list[object]:
        """The parameters of the condition."""
        return [value for word in self.tested for value in (word.first, word.last, word.names)]


async def load_found(
    reader: Reader, window: Window, words: Sequence[str], limit: int, *, among: list[str] | None = None
) -> tuple[ListPosition, ...]:
    """
    Return the first tasks in a window that have all words.

    Args:
        reader: runs the queries.
        window: the list.
        words: the words.
        limit: the maximum number.
        among: the tasks among which to search, by their ids; null for all.

    Raises:
        StoreError: the store failed.
        StoreTimeout: the search took too long.
    """
    began_s = uptime_s()
    lasts = [word + _LAST_CHAR for word in words]
    rows = await reader.fetch(_WORDS, words, lasts, FEW, MAX_NAMES)
    asked = [_Word(first=first, last=last, **dict(row)) for first, last, row in zip(words, lasts, rows, strict=True)]
    if among is None:
        choice, ranges = await _choose(reader, window, asked)
    else:
        choice, ranges = _Choice(ranges=(), ids=among, tests_list=False, tested=tuple(asked)), []
    columns = [[row[column] for row in ranges] for column in ("tag", "model", "provider", "state")]
    merge = _MERGE.format(tests=choice.tests)
    most = max(limit, min(MAX_ROWS, MAX_MERGED // max(1, len(ranges))))
    found: list[ListPosition] = []
    size = limit
    while True:
        rows = await reader.fetch(
            merge, *window.values, window.tag, window.model, size, *columns, choice.ids, *choice.values
        )
        found += [_position(row) for row in rows if row["matches"]]
        if len(found) >= limit or len(rows) < size:
            return tuple(found[:limit])
        reader.check_time(began_s)
        window, size = window.after(_position(rows[-1])), min(4 * size, most)


async def _choose(reader: Reader, window: Window, words: Sequence[_Word]) -> "tuple[_Choice, list[asyncpg.Record]]":
    """Return where to search, and the rows of _RANGES for it."""
    for word in words:
        if word.tasks is not None:
            others = tuple(other for other in words if other is not word)
            return _Choice(ranges=(), ids=word.tasks, tests_list=False, tested=others), []
    choices = list(_choices(window, words))
    choices = [choice for choice in choices if choice.tests == _NO_TEST] or choices
    numbers = [number for number, choice in enumerate(choices) for _ in choice.ranges]
    tags, models = zip(*(one for choice in choices for one in choice.ranges), strict=True)
    counted = COUNTED if len(choices) > 1 else 1
    rows = await reader.fetch(_RANGES, *window.values, numbers, tags, models, counted)
    ranges = [[row for row in rows if row["choice"] == number] for number in range(len(choices))]
    fewest = min(range(len(choices)), key=lambda number: sum(row["rows"] for row in ranges[number]))
    return choices[fewest], ranges[fewest]


def _choices(window: Window, words: Sequence[_Word]) -> Iterator[_Choice]:
    """Return the list that is searched, and the tasks of each word that few tags and models have."""
    yield _Choice(ranges=((window.tag, window.model),), ids=[], tests_list=False, tested=tuple(words))
    for word in words:
        if word.ids is None or word.names is None:
            continue
        tagged: list[tuple[str, str | None]] = [(name, None) for name in word.names]
        yield _Choice(
            ranges=(*tagged, *((window.tag, name) for name in word.names)),
            ids=word.ids,
            tests_list=window.tag != ALL_TASKS or window.model is not None,
            tested=tuple(other for other in words if other is not word),
        )


def _position(row: "asyncpg.Record") -> ListPosition:
    return ListPosition(created_at=row["created_at"], id=row["task"])
