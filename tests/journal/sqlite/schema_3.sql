-- The journal's tables. A file says by its user_version which schema it has (relay/journal/database.py).

-- What the file knows of itself: `epoch`, and `running`, the boot under which a relay has it open.
CREATE TABLE IF NOT EXISTS meta (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS secrets (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The seq of a task is that of its last event: an append that changes no state leaves this table alone, however
-- large a row has grown. Blobs are JSON and stand last, so that no list reads them.
CREATE TABLE IF NOT EXISTS tasks (
  id TEXT PRIMARY KEY,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  created_at REAL NOT NULL,
  state TEXT NOT NULL,
  snapshot_seq INTEGER,
  upstream_id TEXT,
  socket_token TEXT,
  hook TEXT UNIQUE,
  tags BLOB NOT NULL,
  metadata BLOB NOT NULL,
  input BLOB NOT NULL,
  snapshot BLOB,
  files BLOB
) STRICT;

CREATE INDEX IF NOT EXISTS tasks_by_age ON tasks (created_at, id);
CREATE INDEX IF NOT EXISTS tasks_by_state ON tasks (state, created_at, id);

CREATE INDEX IF NOT EXISTS tasks_by_upstream_id ON tasks (upstream_id);
CREATE INDEX IF NOT EXISTS tasks_by_socket_token ON tasks (socket_token);

-- Idempotency keys: which task each made, and from what.
CREATE TABLE IF NOT EXISTS claims (
  key TEXT PRIMARY KEY,
  digest TEXT NOT NULL,
  task TEXT NOT NULL REFERENCES tasks (id),
  at REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS task_tags (
  tag TEXT NOT NULL,
  task TEXT NOT NULL REFERENCES tasks (id),
  PRIMARY KEY (tag, task)
) STRICT, WITHOUT ROWID;

-- What a task's removal looks up.
CREATE INDEX IF NOT EXISTS claims_by_task ON claims (task);
CREATE INDEX IF NOT EXISTS task_tags_by_task ON task_tags (task);

CREATE TABLE IF NOT EXISTS events (
  task TEXT NOT NULL REFERENCES tasks (id),
  seq INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (task, seq)
) STRICT, WITHOUT ROWID;
