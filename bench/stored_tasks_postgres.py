"""The tasks of `bench.stored_tasks` in a PostgreSQL database."""

import time

import asyncpg

from bench.stored_tasks import AT, ID, running_state, succeeded_state
from relay.journal.postgres.migrations import migrate

_TASKS = """
CREATE UNLOGGED TABLE made AS
WITH facts AS (
  SELECT n, lpad(to_hex(n * 2654435761 % 4294967296), 8, '0') || lpad(to_hex(n), 24, '0') AS id,
    $1::float8 - n * $2::float8 AS at, n % 2 = 1 AND n / 2 % ($3::bigint / 2 / $4::bigint) = 0 AS runs
  FROM generate_series(0::bigint, $3::bigint - 1) AS n
)
SELECT *, CASE WHEN runs OR n / 2 % 2 = 1 THEN 'apikley' ELSE 'wiro' END AS provider,
  CASE WHEN n / 4 % 2 = 1 THEN 'maker/rare' ELSE 'maker/common' END AS model,
  CASE WHEN n % 2 = 1 THEN 'other' ELSE 'shop' END AS tag,
  CASE WHEN runs THEN 'running' WHEN n / 8 % 2 = 1 THEN 'failed' ELSE 'succeeded' END AS state
FROM facts
"""

_HEADS = """
INSERT INTO heads (task, provider, created_at, node, batch, seq, state, in_line, sending)
SELECT id, provider, at, 0, 0, 2, state, false, false FROM made
"""

_LISTED = """
INSERT INTO listed (task, tag, provider, model, state, created_at)
SELECT id, t, provider, model, state, at FROM made CROSS JOIN LATERAL unnest(ARRAY['', tag]) AS t
"""

_STATES = """
INSERT INTO tasks (id, provider, model, created_at, ended_at, tags, metadata, input, snapshot_seq, snapshot)
SELECT id, provider, model, at, CASE WHEN NOT runs THEN at END, '["' || tag || '"]', '{}', '{}', 2,
  replace(replace(CASE WHEN runs THEN $1 ELSE $2 END, $3, id), $4, round(at::numeric, 3)::text)
FROM made
"""


async def fill_postgres(dsn: str, count: int, unfinished: int) -> float:
    """Create the tables and the tasks in an empty database; return the time of the middle task."""
    newest, step_s = time.time() - 3600, 86_400 / count
    connection = await asyncpg.connect(dsn)
    try:
        await migrate(connection)
        await connection.execute("SET synchronous_commit = off; SET jit = off")
        await connection.execute(_TASKS, newest, step_s, count, unfinished)
        await connection.execute(_HEADS)
        await connection.execute(_LISTED)
        await connection.execute(_STATES, running_state(), succeeded_state(), ID, str(AT))
        words = [(word, word) for word in ("shop", "other")]
        words += [(word, f"maker/{name}") for name in ("common", "rare") for word in (f"maker/{name}", name)]
        await connection.executemany("INSERT INTO words (word, name) VALUES ($1, $2)", words)
        await connection.execute("DROP TABLE made")
        for table in ("heads", "listed", "tasks"):
            await connection.execute(f"VACUUM ANALYZE {table}")
    finally:
        await connection.close()
    return newest - count / 2 * step_s
