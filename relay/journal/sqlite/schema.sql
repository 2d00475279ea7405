-- The tables of the journal. The version of the schema is in PRAGMA user_version (relay/journal/sqlite/database.py).

-- Facts about the file: `epoch`; `running`, the boot under which a relay has it open; `marked`, whether it has a
-- high-water mark; `witnessed`, a time that has certainly been reached; `checked`, written to test the store;
-- `copying`, that a copy to this file is not finished.
CREATE TABLE IF NOT EXISTS meta (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS secrets (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- There is no seq here, it is that of the last event: an append that does not change the state does not write to this
-- table, whose rows can be large. Blobs are JSON and come last, so that lists do not read them.
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
  files BLOB,
  checked BLOB,
  webhook BLOB,
  title TEXT,
  prompt TEXT,
  started_by TEXT,
  traceparent TEXT,
  estimate REAL,
  estimate_unit TEXT
) STRICT;

CREATE INDEX IF NOT EXISTS tasks_by_age ON tasks (created_at, id);
CREATE INDEX IF NOT EXISTS tasks_by_upstream_id ON tasks (upstream_id);
CREATE INDEX IF NOT EXISTS tasks_by_socket_token ON tasks (socket_token);

-- Idempotency keys: the task that each one created, and the digest of the request.
CREATE TABLE IF NOT EXISTS claims (
  key TEXT PRIMARY KEY,
  digest TEXT NOT NULL,
  task TEXT NOT NULL REFERENCES tasks (id),
  at REAL NOT NULL
) STRICT, WITHOUT ROWID;

-- What lists read: a row of each task for each of its tags, and one with the empty tag, for the list of all tasks.
-- Whatever a list is limited to, it consists of a few ranges of these indexes, each in the order of the list.
CREATE TABLE IF NOT EXISTS listed (
  task TEXT NOT NULL REFERENCES tasks (id),
  tag TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL COLLATE NOCASE,
  state TEXT NOT NULL,
  created_at REAL NOT NULL,
  PRIMARY KEY (task, tag)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS listed_by_provider ON listed (tag, provider, state, created_at, task);
CREATE INDEX IF NOT EXISTS listed_by_model ON listed (tag, model, provider, state, created_at, task);
-- For the limits on running tasks. The condition is repeated in relay/journal/sqlite/accounts.py.
CREATE INDEX IF NOT EXISTS listed_unfinished ON listed (tag, task)
  WHERE state NOT IN ('succeeded', 'failed', 'canceled', 'lost');

-- A trigger, because it takes no further step of the writer: each one waits for the interpreter's lock.
CREATE TRIGGER IF NOT EXISTS listed_state AFTER UPDATE OF state ON tasks WHEN new.state <> old.state BEGIN
  UPDATE listed SET state = new.state WHERE task = new.id;
END;

-- The search index: each model and each tag by its words, as relay/journal/search_words.py writes them. A model or tag
-- is here once, however many tasks have it.
CREATE TABLE IF NOT EXISTS words (
  word TEXT NOT NULL,
  name TEXT NOT NULL,
  PRIMARY KEY (word, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS words_by_name ON words (name, word);

-- The words of each title, of which each belongs to one task.
CREATE TABLE IF NOT EXISTS title_words (
  task TEXT NOT NULL REFERENCES tasks (id),
  word TEXT NOT NULL,
  PRIMARY KEY (task, word)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS title_words_by_word ON title_words (word, task);

-- The tasks that are stalled.
CREATE TABLE IF NOT EXISTS stalled (task TEXT PRIMARY KEY REFERENCES tasks (id)) STRICT, WITHOUT ROWID;

-- What is left of deleted tasks. `upstream`: whether the platform's copy was deleted, too.
CREATE TABLE IF NOT EXISTS tombstones (
  task TEXT PRIMARY KEY,
  at REAL NOT NULL,
  upstream INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS tombstones_by_age ON tombstones (at, task);

-- Idempotency keys of deleted tasks, which stay in use.
CREATE TABLE IF NOT EXISTS kept_claims (
  key TEXT PRIMARY KEY,
  digest TEXT NOT NULL,
  task TEXT NOT NULL,
  at REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS kept_claims_by_task ON kept_claims (task);

-- For the deletion of tasks.
CREATE INDEX IF NOT EXISTS claims_by_task ON claims (task);

CREATE TABLE IF NOT EXISTS events (
  task TEXT NOT NULL REFERENCES tasks (id),
  seq INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (task, seq)
) STRICT, WITHOUT ROWID;

-- The copies of results in the archive (relay/journal/file_copies.py). Their rows outlive the task until the files are
-- deleted, so there is no foreign key.
CREATE TABLE IF NOT EXISTS copies (
  task TEXT NOT NULL,
  part TEXT NOT NULL,
  provider TEXT NOT NULL,
  url TEXT NOT NULL,
  name TEXT,
  content_type TEXT NOT NULL,
  size_bytes INTEGER,
  sha256 TEXT,
  state TEXT NOT NULL,
  reason TEXT,
  attempts INTEGER NOT NULL,
  next_at REAL NOT NULL,
  kept_at REAL,
  owner TEXT,
  PRIMARY KEY (task, part)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS copies_to_do ON copies (next_at) WHERE state IN ('waiting', 'expiring', 'orphaned');
CREATE INDEX IF NOT EXISTS copies_kept ON copies (kept_at, size_bytes) WHERE state = 'kept';
-- The outbox (relay/journal/outbox.py). `due` is set if the status is `pending`, as the running process counts seconds.
CREATE TABLE IF NOT EXISTS webhooks (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  task TEXT NOT NULL REFERENCES tasks (id),
  url TEXT NOT NULL,
  type TEXT NOT NULL,
  created_at REAL NOT NULL,
  status TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  failures INTEGER NOT NULL DEFAULT 0,
  since REAL NOT NULL,
  tried_at REAL,
  answer TEXT,
  due REAL,
  body BLOB NOT NULL
) STRICT;

CREATE INDEX IF NOT EXISTS webhooks_by_task ON webhooks (task, number);
CREATE INDEX IF NOT EXISTS webhooks_by_status ON webhooks (status, number);
CREATE INDEX IF NOT EXISTS webhooks_pending ON webhooks (url, due) WHERE status = 'pending';
CREATE INDEX IF NOT EXISTS webhooks_due ON webhooks (due) WHERE status = 'pending';
CREATE INDEX IF NOT EXISTS webhooks_sending ON webhooks (url) WHERE status = 'sending';
CREATE INDEX IF NOT EXISTS webhooks_active ON webhooks (task, url, number)
  WHERE status IN ('queued', 'pending', 'sending');

-- The audit (relay/journal/audit.py).
CREATE TABLE IF NOT EXISTS audit (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  at REAL NOT NULL,
  action TEXT NOT NULL,
  key TEXT,
  subject TEXT,
  address TEXT,
  request_id TEXT,
  task TEXT,
  tag TEXT,
  jti TEXT,
  status INTEGER NOT NULL,
  count INTEGER NOT NULL
) STRICT;

CREATE INDEX IF NOT EXISTS audit_by_age ON audit (at);
CREATE INDEX IF NOT EXISTS audit_by_action ON audit (action, number);
CREATE INDEX IF NOT EXISTS audit_by_key ON audit (key, number);
CREATE INDEX IF NOT EXISTS audit_by_task ON audit (task, number) WHERE task IS NOT NULL;
CREATE INDEX IF NOT EXISTS audit_by_tag ON audit (tag, number) WHERE tag IS NOT NULL;

-- Tokens that are not valid any more (relay/journal/revocations.py). A row that is replaced gets a new number.
CREATE TABLE IF NOT EXISTS revocations (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  at REAL NOT NULL,
  expires_at REAL NOT NULL,
  UNIQUE (kind, name)
) STRICT;

-- What is kept of tasks that have ended (relay/journal/tallies.py): one row per model, input class and day, as JSON.
CREATE TABLE IF NOT EXISTS tallies (
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  inputs TEXT NOT NULL,
  day INTEGER NOT NULL,
  counts BLOB NOT NULL,
  slowest BLOB NOT NULL,
  failed BLOB NOT NULL,
  PRIMARY KEY (provider, model, inputs, day)
) STRICT, WITHOUT ROWID;

-- The accounts (relay/journal/accounts.py): starts of the last hour by tag; what was spent by account, day (-1: ever) and
-- unit; and the usage by day, tag (empty: all tasks), API key and model, as JSON.
CREATE TABLE IF NOT EXISTS starts (
  tag TEXT NOT NULL,
  at REAL NOT NULL,
  task TEXT NOT NULL,
  PRIMARY KEY (tag, at, task)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS starts_by_task ON starts (task);
CREATE INDEX IF NOT EXISTS starts_by_age ON starts (at);

CREATE TABLE IF NOT EXISTS spent (
  account TEXT NOT NULL,
  day INTEGER NOT NULL,
  unit TEXT NOT NULL,
  amount REAL NOT NULL,
  PRIMARY KEY (account, day, unit)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS usage (
  day INTEGER NOT NULL,
  tag TEXT NOT NULL,
  key TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  counts BLOB NOT NULL,
  PRIMARY KEY (day, tag, key, provider, model)
) STRICT, WITHOUT ROWID;
