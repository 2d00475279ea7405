"""What is read of single tasks: the statements, and how their rows are decoded."""

from typing import TYPE_CHECKING, Final

import orjson

from relay.core.snapshot import Snapshot
from relay.core.upstream import UpstreamTask
from relay.journal.base import Claim, StoredTask
from relay.journal.entries import History
from relay.journal.nodes import Command, Node, Order
from relay.journal.prompts import stored_beginning
from relay.journal.record import restore
from relay.journal.stored_log import fold_log, make_history

if TYPE_CHECKING:
    import asyncpg

    Rows = list[asyncpg.Record]

TASK: Final = (
    "SELECT id AS task, provider, model, created_at, tags, input, metadata, upstream_id, socket_token, hook, files,"
    " checked, webhook, started_by, traceparent, title, estimate, estimate_unit FROM tasks WHERE id = $1"
)

HOOK: Final = "SELECT id FROM tasks WHERE hook = $2 AND provider = $1"

UPSTREAM: Final = (
    "SELECT task FROM upstreams WHERE provider = $1"
    " AND (kind = 'id' AND value = $2::text OR kind = 'token' AND value = $3::text) ORDER BY kind LIMIT 1"
)

CLAIM: Final = "SELECT key, digest, task, at FROM claims WHERE key = $1"

# A row has the events as an array, so that one statement reads them and the snapshot as of the same moment.

SNAPSHOTS: Final = """
SELECT t.id, t.snapshot, t.snapshot_seq, e.seqs, e.bodies FROM tasks t CROSS JOIN LATERAL (
  SELECT coalesce(array_agg(seq ORDER BY seq), '{}') AS seqs, coalesce(array_agg(body ORDER BY seq), '{}') AS bodies
  FROM events WHERE task = t.id AND seq > coalesce(t.snapshot_seq, 0)
) e WHERE t.id = ANY ($1::text[])
"""

PROMPTS: Final = """
SELECT id, prompt, CASE WHEN prompt IS NULL AND octet_length(input) <= $2 THEN input END AS input
FROM tasks WHERE id = ANY ($1::text[])
"""

HISTORY: Final = """
SELECT coalesce((SELECT min(seq) FROM events WHERE task = t.id), t.snapshot_seq + 1, 0) AS first_seq, e.seqs, e.bodies
FROM tasks t CROSS JOIN LATERAL (
  SELECT coalesce(array_agg(seq ORDER BY seq), '{}') AS seqs, coalesce(array_agg(body ORDER BY seq), '{}') AS bodies
  FROM (SELECT seq, body FROM events WHERE task = t.id AND seq > $2 ORDER BY seq LIMIT $3) page
) e WHERE t.id = $1
"""

OWNED: Final = (
    "SELECT task FROM heads WHERE owner = $1 AND state NOT IN ('succeeded', 'failed', 'canceled', 'lost')"
    " ORDER BY created_at, task"
)

QUEUED: Final = "SELECT task FROM heads WHERE provider = $1 AND in_line ORDER BY created_at, task"

SENDING: Final = (
    "SELECT task FROM heads WHERE provider = $1 AND sending AND owner IS DISTINCT FROM $2 ORDER BY created_at, task"
)

COMMANDS: Final = (
    "SELECT c.id, c.task, c.kind, c.by, c.named FROM commands c JOIN heads h ON h.task = c.task WHERE h.owner = $1"
    " ORDER BY c.number"
)

NODES: Final = """
SELECT n.id, n.name, extract(epoch FROM clock_timestamp() - n.seen_at)::float8 AS seen_s, n.alive, n.viewers, n.lag_s, (
  SELECT count(*) FROM heads h WHERE h.owner = n.id AND h.state NOT IN ('succeeded', 'failed', 'canceled', 'lost')
) AS tasks FROM nodes n WHERE n.id <> 0 ORDER BY n.name, n.seen_at
"""

SIZE: Final = "SELECT coalesce(sum(bytes), 0)::bigint AS bytes FROM nodes"

SAVED_TIME: Final = """
SELECT coalesce(
  (SELECT value::float8 FROM meta WHERE name = 'witnessed'), (SELECT max(created_at) FROM listed WHERE tag = '')
) AS at
"""


def stored_task(rows: "Rows") -> StoredTask | None:
    """
    Decode the rows of TASK.

    Raises:
        StoreDamaged: a row cannot be decoded.
    """
    return restore(**dict(rows[0])) if rows else None


def first(rows: "Rows") -> str | None:
    """Return the only value of the first row, if any."""
    return rows[0][0] if rows else None


def all_ids(rows: "Rows") -> tuple[str, ...]:
    """Return the only value of each row."""
    return tuple(row[0] for row in rows)


def claim(rows: "Rows") -> Claim | None:
    """Decode the rows of CLAIM."""
    return Claim(**dict(rows[0])) if rows else None


def snapshot(row: "asyncpg.Record", epoch: str) -> Snapshot:
    """
    Decode a row of SNAPSHOTS.

    Raises:
        StoreDamaged: it cannot be decoded.
    """
    events = zip(row["seqs"], row["bodies"], strict=True)
    return fold_log(row["id"], epoch, row["snapshot"], row["snapshot_seq"], events)


def prompts(rows: "Rows") -> dict[str, str]:
    """Decode the rows of PROMPTS, of the tasks that have one."""
    found = {row["id"]: stored_beginning(row["prompt"], row["input"]) for row in rows}
    return {task: prompt for task, prompt in found.items() if prompt}


def history(rows: "Rows", task: str, after: int) -> History:
    """
    Decode the rows of HISTORY.

    Raises:
        StoreDamaged: they cannot be decoded.
    """
    if not rows:
        return History(entries=(), first_seq=0)
    (row,) = rows
    events = zip(row["seqs"], row["bodies"], strict=True)
    return make_history(task, events, after=after, first_seq=row["first_seq"])


def commands(rows: "Rows") -> tuple[Command, ...]:
    """Decode the rows of COMMANDS. One of an order that only a later version knows is left out."""
    known = {order.value for order in Order}
    return tuple(
        Command(id=row["id"], task=row["task"], order=Order(row["kind"]), by=row["by"], named=_named(row["named"]))
        for row in rows
        if row["kind"] in known
    )


def nodes(rows: "Rows") -> tuple[Node, ...]:
    """Decode the rows of NODES."""
    return tuple(Node(**{**dict(row), "id": str(row["id"])}) for row in rows)


def encode_named(upstream: UpstreamTask | None) -> str | None:
    """Return the upstream task of a command as JSON."""
    if upstream is None:
        return None
    return orjson.dumps({"upstream_id": upstream.upstream_id, "socket_token": upstream.socket_token}).decode()


def _named(stored: str | None) -> UpstreamTask | None:
    return None if stored is None else UpstreamTask(**orjson.loads(stored))
