-- The tables of the journal. The version of the schema is `schema` in meta (relay/journal/postgres/migrations.py).
--
-- Texts are compared by code points, as Python does. JSON is stored as text, byte for byte as it was written.

-- Facts about the database: `schema`; `epoch:SYSTEM:TIMELINE`, the epoch of a timeline of a system, and
-- with `:began` when it began; `witnessed`, a time
-- that has certainly been reached; `checked`, written to test the store; `copying`, that a copy to this database is not finished.
CREATE TABLE meta (
  name text COLLATE "C" PRIMARY KEY,
  value text NOT NULL
);

CREATE TABLE secrets (
  name text COLLATE "C" PRIMARY KEY,
  value text NOT NULL
);

-- The processes that share the journal. A process that starts, or that was declared dead, is a new node. Its id is a
-- random number that the process makes, so that a failover which loses commits never gives the same id to two.
CREATE TABLE nodes (
  id bigint PRIMARY KEY,
  name text NOT NULL,
  alive boolean NOT NULL DEFAULT true,
  until timestamptz NOT NULL, -- the end of its lease, by the clock of the database
  seen_at timestamptz NOT NULL DEFAULT clock_timestamp(), -- when it renewed its lease last
  batch bigint NOT NULL DEFAULT 0, -- the number of its last commit
  bytes bigint NOT NULL DEFAULT 0, -- what it has added to the stored data, less what it has deleted
  viewers integer NOT NULL DEFAULT 0,
  lag_s double precision NOT NULL DEFAULT 0
) WITH (fillfactor = 20); -- every commit updates a row: leave room for its versions in the page

-- What every append changes. No index contains a column that most appends change.
CREATE TABLE heads (
  task text COLLATE "C" PRIMARY KEY,
  provider text COLLATE "C" NOT NULL,
  created_at double precision NOT NULL,
  owner bigint, -- the node that may append; null after it has released the task
  node bigint NOT NULL, -- the node and the number of the last commit that appended
  batch bigint NOT NULL,
  seq bigint NOT NULL,
  state text COLLATE "C" NOT NULL,
  in_line boolean NOT NULL, -- waits for the provider's capacity: no task behind it may be sent before it
  sending boolean NOT NULL -- its run is being sent now
) WITH (fillfactor = 70);

CREATE INDEX heads_unfinished ON heads (owner, created_at, task)
  WHERE state NOT IN ('succeeded', 'failed', 'canceled', 'lost');
CREATE INDEX heads_in_line ON heads (provider, created_at, task) WHERE in_line;
CREATE INDEX heads_sending ON heads (provider) WHERE sending;

-- What appends rarely change.
CREATE TABLE tasks (
  id text COLLATE "C" PRIMARY KEY,
  provider text COLLATE "C" NOT NULL,
  model text NOT NULL,
  created_at double precision NOT NULL,
  ended_at double precision,
  hook text COLLATE "C" UNIQUE,
  upstream_id text,
  socket_token text,
  tags text NOT NULL,
  metadata text NOT NULL,
  input text NOT NULL,
  checked text,
  files text,
  webhook text,
  started_by text,
  traceparent text,
  snapshot_seq bigint,
  snapshot text,
  title text,
  prompt text,
  estimate double precision,
  estimate_unit text
);

CREATE INDEX tasks_by_end ON tasks (created_at, id) WHERE ended_at IS NOT NULL;

-- The upstream tasks of each provider, by their ids (kind `id`) and their socket tokens (kind `token`): each belongs to
-- one task.
CREATE TABLE upstreams (
  provider text COLLATE "C",
  kind text COLLATE "C",
  value text COLLATE "C",
  task text COLLATE "C" NOT NULL,
  PRIMARY KEY (provider, kind, value)
);

CREATE INDEX upstreams_by_task ON upstreams (task);

-- (node, batch) is a cursor without gaps: a node commits one batch after the other. There is no foreign key, which
-- would lock a row of another table for each event.
CREATE TABLE events (
  task text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  node bigint NOT NULL,
  batch bigint NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY (task, seq)
);

CREATE INDEX events_by_batch ON events (node, batch, task, seq);

-- Idempotency keys: the task that each one created, and the digest of the request.
CREATE TABLE claims (
  key text COLLATE "C" PRIMARY KEY,
  digest text NOT NULL,
  task text COLLATE "C" NOT NULL,
  at double precision NOT NULL
);

CREATE INDEX claims_by_task ON claims (task);

-- What lists read: a row of each task for each of its tags, and one with the empty tag, for the list of all tasks.
-- Whatever a list is limited to, it consists of a few ranges of these indexes, each in the order of the list. `model` is
-- in lower case.
CREATE TABLE listed (
  task text COLLATE "C",
  tag text COLLATE "C",
  provider text COLLATE "C" NOT NULL,
  model text COLLATE "C" NOT NULL,
  state text COLLATE "C" NOT NULL,
  created_at double precision NOT NULL,
  PRIMARY KEY (task, tag)
);

-- For the limits on running tasks.
CREATE INDEX listed_unfinished ON listed (tag, task) WHERE state NOT IN ('succeeded', 'failed', 'canceled', 'lost');
CREATE INDEX listed_by_provider ON listed (tag, provider, state, created_at DESC, task DESC);
CREATE INDEX listed_by_model ON listed (tag, model, state, created_at DESC, task DESC); -- a model has one provider

-- The search index: each model and each tag by its words, as relay/journal/search_words.py writes them. A model or tag
-- is here once, however many tasks have it.
CREATE TABLE words (
  word text COLLATE "C",
  name text COLLATE "C",
  PRIMARY KEY (word, name)
);

CREATE INDEX words_by_name ON words (name, word);

-- The words of each title, of which each belongs to one task.
CREATE TABLE title_words (
  task text COLLATE "C",
  word text COLLATE "C",
  PRIMARY KEY (task, word)
);

CREATE INDEX title_words_by_word ON title_words (word, task);

-- The tasks that are stalled.
CREATE TABLE stalled (
  task text COLLATE "C" PRIMARY KEY
);

-- Orders for the owners of tasks. `named` is the upstream task, as JSON.
CREATE TABLE commands (
  id text COLLATE "C" PRIMARY KEY,
  number bigint GENERATED ALWAYS AS IDENTITY,
  task text COLLATE "C" NOT NULL,
  kind text NOT NULL,
  by text NOT NULL,
  named text
);

CREATE INDEX commands_by_task ON commands (task);

-- The copies of results in the archive (relay/journal/file_copies.py). Their rows outlive the task until the files are
-- deleted.
CREATE TABLE copies (
  task text COLLATE "C",
  part text COLLATE "C",
  provider text COLLATE "C" NOT NULL,
  url text NOT NULL,
  name text,
  content_type text NOT NULL,
  size_bytes bigint,
  sha256 text,
  state text COLLATE "C" NOT NULL,
  reason text,
  attempts integer NOT NULL,
  next_at double precision NOT NULL,
  kept_at double precision,
  owner bigint, -- the node that has claimed it
  PRIMARY KEY (task, part)
);

CREATE INDEX copies_to_do ON copies (next_at) WHERE state IN ('waiting', 'expiring', 'orphaned');
CREATE INDEX copies_kept ON copies (kept_at, size_bytes) WHERE state = 'kept';

-- The outbox (relay/journal/outbox.py). `due` is set if the status is `pending`, `node` and `claimed` if it is `sending`.
CREATE TABLE webhooks (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id text COLLATE "C" NOT NULL UNIQUE,
  task text COLLATE "C" NOT NULL,
  url text COLLATE "C" NOT NULL,
  type text NOT NULL,
  created_at double precision NOT NULL,
  status text COLLATE "C" NOT NULL,
  attempts integer NOT NULL DEFAULT 0,
  failures integer NOT NULL DEFAULT 0,
  since double precision NOT NULL,
  tried_at double precision,
  answer text,
  due timestamptz,
  node bigint,
  claimed timestamptz,
  body text NOT NULL
);

CREATE INDEX webhooks_by_task ON webhooks (task, number);
CREATE INDEX webhooks_by_status ON webhooks (status, number);
CREATE INDEX webhooks_pending ON webhooks (url, due) WHERE status = 'pending';
CREATE INDEX webhooks_due ON webhooks (due) WHERE status = 'pending';
CREATE INDEX webhooks_sending ON webhooks (url) WHERE status = 'sending';
CREATE INDEX webhooks_active ON webhooks (task, url, number) WHERE status IN ('queued', 'pending', 'sending');

-- What is left of deleted tasks, in addition to their idempotency keys. `upstream`: whether the platform's copy was
-- deleted, too. `xact` is the transaction, in which nodes find what was deleted since they looked last.
CREATE TABLE tombstones (
  task text COLLATE "C" PRIMARY KEY,
  at double precision NOT NULL,
  upstream boolean NOT NULL,
  xact bigint NOT NULL DEFAULT txid_current()
);

CREATE INDEX tombstones_by_age ON tombstones (at, task);
CREATE INDEX tombstones_by_xact ON tombstones (xact);

CREATE TABLE audit (
  number bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  id text COLLATE "C" NOT NULL UNIQUE,
  at double precision NOT NULL,
  action text COLLATE "C" NOT NULL,
  key text COLLATE "C",
  subject text COLLATE "C",
  address text,
  request_id text,
  task text COLLATE "C",
  tag text COLLATE "C",
  jti text COLLATE "C",
  status integer NOT NULL,
  count bigint NOT NULL
);
CREATE INDEX audit_by_age ON audit (at);
CREATE INDEX audit_by_action ON audit (action, number);
CREATE INDEX audit_by_key ON audit (key, number);
CREATE INDEX audit_by_task ON audit (task, number) WHERE task IS NOT NULL;
CREATE INDEX audit_by_tag ON audit (tag, number) WHERE tag IS NOT NULL;

CREATE TABLE revocations (
  number bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  kind text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  at double precision NOT NULL,
  expires_at double precision NOT NULL,
  UNIQUE (kind, name)
);

-- What is kept of tasks that have ended (relay/journal/tallies.py): one row per model, input class and day.
CREATE TABLE tallies (
  provider text COLLATE "C",
  model text COLLATE "C",
  inputs text COLLATE "C",
  day bigint,
  counts jsonb NOT NULL,
  slowest jsonb NOT NULL,
  failed jsonb NOT NULL,
  PRIMARY KEY (provider, model, inputs, day)
);

-- The accounts (relay/journal/accounts.py): starts of the last hour by tag; what was spent by account, day (-1: ever) and
-- unit; and the usage by day, tag (empty: all tasks), API key and model.
CREATE TABLE starts (
  tag text COLLATE "C",
  at double precision,
  task text COLLATE "C",
  PRIMARY KEY (tag, at, task)
);
CREATE INDEX starts_by_task ON starts (task);
CREATE INDEX starts_by_age ON starts (at);
CREATE TABLE spent (
  account text COLLATE "C",
  day bigint,
  unit text COLLATE "C",
  amount double precision NOT NULL,
  PRIMARY KEY (account, day, unit)
);
CREATE TABLE usage (
  day bigint,
  tag text COLLATE "C",
  key text COLLATE "C",
  provider text COLLATE "C",
  model text COLLATE "C",
  counts jsonb NOT NULL,
  PRIMARY KEY (day, tag, key, provider, model)
);
