-- What a node does to the tables in one round trip each. The clock of the database is the only one.
--
-- A function that changes tasks of its node locks the node's row of `nodes` first, and those of other nodes with SKIP
-- LOCKED. So none of them waits for another in a circle, and no other node can declare a node dead during its commit.
--
-- Notifications on the channel `relay` are `NODE:BATCH`, what a node has committed; `command:NODE`, that there is an order
-- for a node; `released:NODE`, that a node has given up its tasks; `deleted:NODE`, that a node has deleted tasks; and
-- `beat:NODE`, which a node sends to itself. A notification may be lost.
--
-- A function is never changed so that the version of the relay before this one cannot call it any more: another
-- signature is another function.

-- Add a node, with a lease. `me` is a random number. With `alone`, earlier nodes of this name are dead from now on: the
-- name belongs to one process at a time.
CREATE OR REPLACE FUNCTION relay_register(me bigint, called text, lease interval, alone boolean) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  inherited bigint;
BEGIN
  IF alone THEN
    UPDATE nodes SET alive = false WHERE name = called AND alive;
  END IF;
  WITH gone AS (
    DELETE FROM nodes WHERE id IN (
      SELECT id FROM nodes WHERE NOT alive AND seen_at < clock_timestamp() - interval '1 day' FOR UPDATE SKIP LOCKED
    ) RETURNING bytes
  )
  SELECT coalesce(sum(bytes), 0) INTO inherited FROM gone;
  INSERT INTO nodes (id, name, until, bytes) VALUES (me, called, clock_timestamp() + lease, inherited);
  -- A restart sends everything that has not been delivered, except what another process may be sending.
  UPDATE webhooks w SET status = 'pending', due = clock_timestamp(), node = NULL, claimed = NULL
  WHERE w.number IN (
    SELECT p.number FROM webhooks p
    WHERE p.status = 'pending' OR (
      p.status = 'sending' AND alone AND EXISTS (SELECT 1 FROM nodes n WHERE n.id = p.node AND n.name = called AND NOT n.alive)
    ) FOR UPDATE SKIP LOCKED
  );
END $$;

-- Renew the lease of a node unless its writer is committing, which renews it too: a commit may wait for a standby, and
-- a beat must not.
--
--   alive     whether the node is alive; false also if it is unknown.
--   renewed   whether its lease was renewed.
--   late      whether the lease of another node has run out.
CREATE OR REPLACE FUNCTION relay_beat(
  me bigint, lease interval, viewers_now integer, lag_now_s double precision,
  OUT alive boolean, OUT renewed boolean, OUT late boolean
) LANGUAGE plpgsql AS $$
BEGIN
  UPDATE nodes SET until = clock_timestamp() + lease, seen_at = clock_timestamp(), viewers = viewers_now, lag_s = lag_now_s
  WHERE id = (SELECT n.id FROM nodes n WHERE n.id = me AND n.alive FOR NO KEY UPDATE SKIP LOCKED);
  renewed := FOUND;
  alive := coalesce((SELECT n.alive FROM nodes n WHERE n.id = me), false);
  late := EXISTS (SELECT FROM nodes n WHERE n.alive AND n.id <> me AND n.until < clock_timestamp());
END $$;

-- Declare the nodes dead whose lease has run out; return their ids. Their tasks can be taken over then. A node does
-- this only after it has renewed its own lease for a while: after an outage of the database, every lease has run out.
CREATE OR REPLACE FUNCTION relay_declare_dead(me bigint) RETURNS bigint[]
LANGUAGE plpgsql AS $$
DECLARE
  dead bigint[];
BEGIN
  PERFORM 1 FROM nodes WHERE id = me AND alive FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RETURN '{}';
  END IF;
  WITH late AS (
    SELECT id FROM nodes WHERE alive AND id <> me AND until < clock_timestamp() FOR UPDATE SKIP LOCKED
  ), gone AS (
    UPDATE nodes n SET alive = false FROM late WHERE n.id = late.id RETURNING n.id
  )
  SELECT coalesce(array_agg(id), '{}') INTO dead FROM gone;
  RETURN dead;
END $$;

-- Become the owner of at most `most` unfinished tasks of some providers that no living node owns; return their ids,
-- oldest first. Those in `leave` are left to other nodes. The run of such a task is never sent by its new owner before it
-- was searched for, so it is not being sent any more; one that is held has the place in the queue that its age gives it.
DROP FUNCTION IF EXISTS relay_take_over(bigint, text[], integer);
CREATE OR REPLACE FUNCTION relay_take_over(me bigint, providers text[], most integer, leave text[] DEFAULT '{}')
RETURNS text[]
LANGUAGE plpgsql AS $$
DECLARE
  free text[];
  mine text[];
BEGIN
  PERFORM 1 FROM nodes WHERE id = me AND alive FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RETURN '{}';
  END IF;
  free := ARRAY(
    SELECT h.task FROM heads h
    WHERE h.state NOT IN ('succeeded', 'failed', 'canceled', 'lost') AND h.provider = ANY (providers)
      AND NOT h.task = ANY (leave)
      AND (h.owner IS NULL OR NOT EXISTS (SELECT 1 FROM nodes n WHERE n.id = h.owner AND n.alive))
    ORDER BY h.created_at, h.task LIMIT most FOR UPDATE SKIP LOCKED
  );
  -- Another node may have taken a task between the snapshot of that statement and its lock. This one sees it.
  WITH taken AS (
    UPDATE heads h SET owner = me, sending = false, in_line = h.state = 'held'
    WHERE h.task = ANY (free)
      AND (h.owner IS NULL OR NOT EXISTS (SELECT 1 FROM nodes n WHERE n.id = h.owner AND n.alive))
    RETURNING h.task, h.created_at
  )
  SELECT coalesce(array_agg(task ORDER BY created_at, task), '{}') INTO mine FROM taken;
  RETURN mine;
END $$;

-- Give up the unfinished tasks of a node, and notify the others.
CREATE OR REPLACE FUNCTION relay_release(me bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM nodes WHERE id = me FOR NO KEY UPDATE;
  UPDATE heads SET owner = NULL, sending = false
  WHERE owner = me AND state NOT IN ('succeeded', 'failed', 'canceled', 'lost');
  PERFORM pg_notify('relay', 'released:' || me);
END $$;

-- Store an order for the owner of a task, and notify it. An order that is stored already is left as it is.
CREATE OR REPLACE FUNCTION relay_command(command text, whose text, what text, who text, upstream text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO commands (id, task, kind, by, named) VALUES (command, whose, what, who, upstream) ON CONFLICT DO NOTHING;
  PERFORM pg_notify('relay', 'command:' || owner) FROM heads WHERE task = whose AND owner IS NOT NULL;
END $$;

-- The space that a task's row takes, without its events.
CREATE OR REPLACE FUNCTION relay_task_bytes(t tasks) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
  SELECT 2000 + octet_length(t.tags) + octet_length(t.metadata) + octet_length(t.input)
    + coalesce(octet_length(t.checked), 0) + coalesce(octet_length(t.files), 0) + coalesce(octet_length(t.snapshot), 0)
    + coalesce(octet_length(t.webhook), 0) + coalesce(octet_length(t.title), 0)
    + coalesce(octet_length(t.prompt), 0)
$$;

-- Commit batch `number` of a node: new tasks and events of its tasks. Each job, which is one task here, is either
-- committed as a whole or refused.
--
--   creates        [{task, provider, model, folded_model, created_at, state, hook, upstream_id, socket_token, tags,
--                  metadata, input, checked, files, webhook, started_by, title, prompt, traceparent, list_tags: [...],
--                  words: [[word, name], ...], title_words: [...], key, digest, at, expired_before, estimate,
--                  estimate_unit, limits: [{account, counted, most, day}, ...]}], or null.
--                  The fields from `tags` to `webhook` are JSON texts.
--   appends        [{task, first, last, state, stalled, ended_at, snapshot, upstream, upstream_id, socket_token, frees_key,
--                  copies: [{part, provider, url, name, content_type, size_bytes, sha256}, ...],
--                  webhooks: [{id, task, url, type, at, body}, ...],
--                  tally: {provider, model, inputs, day, counts, slowest, failed},
--                  charge: {spent: [[account, day, unit, amount], ...], uses: [{day, tag, key, provider, model, counts},
--                  ...]}}], or null. At most one job of a task.
--   event_*        the events of both, in order.
--   history_*      how many events, and how many bytes of them, to keep of a log whose snapshot is stored.
--
--   verdict        `new`; `again`: this batch was committed before; `again-dead`: the same, and the node is dead;
--                  `fenced`: the node is dead or unknown, or the database has lost commits of it. Nothing is written.
--   taken          the tasks whose jobs were committed.
--   refused        [{task, why, ...}]: `exists`; `key`, with the digest, task and time of the claim; `unknown`; `owner`;
--                  `seq`, with the seq of the log; `taken`, with the task that has the upstream task; `limit`, with the
--                  number of the limit, and what counts towards it: used, reserved, until. Null for `again`.
CREATE OR REPLACE FUNCTION relay_append(
  me bigint, number bigint, lease interval, creates json, appends json,
  event_task text[], event_seq bigint[], event_body bytea[], history_events bigint, history_bytes bigint,
  OUT verdict text, OUT taken text[], OUT refused json
) LANGUAGE plpgsql
-- A statement that is planned while a table is small must be a good one when it is large.
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
  was nodes%ROWTYPE;
  job record;
  kept claims%ROWTYPE;
  going text[] := '{}';
  moved text[] := '{}';
  problems json[] := '{}';
  grown bigint := 0;
  -- What the appends contain. Most contain events only, and the rest of the work is left out for these.
  has_upstreams boolean := false;
  has_keys boolean := false;
  has_snapshots boolean := false;
  has_webhooks boolean := false;
  has_tallies boolean := false;
  has_charges boolean := false;
  has_limits boolean := false;
  exceeded json;
  has_stalls boolean := false;
BEGIN
  SELECT * INTO was FROM nodes WHERE id = me FOR NO KEY UPDATE;
  IF was.batch = number THEN
    -- Visible, but a standby may not have it: the wait for it can be cancelled. This commit writes, so it waits as well.
    UPDATE nodes SET name = name WHERE id = me;
    verdict := CASE WHEN was.alive THEN 'again' ELSE 'again-dead' END;
    taken := ARRAY(
      SELECT task FROM heads WHERE node = me AND batch = number AND task = ANY (event_task)
      UNION SELECT task FROM events WHERE node = me AND batch = number
    );
    RETURN;
  END IF;
  IF (was.alive AND was.batch = number - 1) IS NOT TRUE THEN
    verdict := 'fenced';
    RETURN;
  END IF;

  -- No other node can change the owner of this node's tasks now: that takes the lock of the row of `nodes`.
  IF appends IS NOT NULL THEN
    SELECT coalesce(array_agg(x.task) FILTER (WHERE h.owner = me AND h.seq = x.first - 1), '{}'),
      coalesce(array_agg(x.task) FILTER (WHERE h.state <> x.state), '{}'),
      coalesce(array_agg(json_build_object(
        'task', x.task, 'seq', h.seq,
        'why', CASE WHEN h.task IS NULL THEN 'unknown' WHEN h.owner = me THEN 'seq' ELSE 'owner' END
      )) FILTER (WHERE (h.owner = me AND h.seq = x.first - 1) IS NOT TRUE), '{}'),
      coalesce(bool_or(x.upstream), false), coalesce(bool_or(x.frees_key), false), bool_or(x.snapshot IS NOT NULL),
      bool_or(x.webhooks IS NOT NULL), bool_or(x.tally IS NOT NULL), bool_or(x.charge IS NOT NULL),
      bool_or(x.stalled IS NOT NULL)
    INTO going, moved, problems, has_upstreams, has_keys, has_snapshots, has_webhooks, has_tallies, has_charges, has_stalls
    FROM json_to_recordset(appends) AS x(
      task text, first bigint, state text, upstream boolean, frees_key boolean, snapshot text, webhooks json, tally json,
      charge json, stalled boolean
    )
    LEFT JOIN heads h ON h.task = x.task;
  END IF;

  -- Accounts before keys before upstream tasks before heads, each in order: nodes that commit at the same time wait in
  -- one direction.
  IF creates IS NOT NULL THEN
    has_limits := relay_lock_accounts(creates);
    FOR job IN
      SELECT * FROM json_to_recordset(creates)
        AS x(task text, key text, digest text, at double precision, expired_before double precision, limits json)
      ORDER BY x.key, x.task
    LOOP
      PERFORM 1 FROM heads WHERE task = job.task;
      IF FOUND THEN
        problems := problems || json_build_object('task', job.task, 'why', 'exists');
        CONTINUE;
      END IF;
      IF job.key IS NOT NULL THEN
        INSERT INTO claims AS c (key, digest, task, at) VALUES (job.key, job.digest, job.task, job.at)
        ON CONFLICT (key) DO UPDATE SET digest = excluded.digest, task = excluded.task, at = excluded.at
          WHERE c.at < coalesce(job.expired_before, '-infinity');
        IF NOT FOUND THEN
          SELECT * INTO kept FROM claims WHERE key = job.key;
          problems := problems || json_build_object(
            'task', job.task, 'why', 'key', 'digest', kept.digest, 'winner', kept.task, 'at', kept.at
          );
          CONTINUE;
        END IF;
      END IF;
      IF has_limits AND job.limits IS NOT NULL THEN
        exceeded := relay_exceeded(creates, job.task, going);
        IF exceeded IS NOT NULL THEN
          DELETE FROM claims WHERE task = job.task;
          problems := problems || exceeded;
          CONTINUE;
        END IF;
      END IF;
      going := going || job.task;
    END LOOP;
  END IF;

  IF creates IS NOT NULL OR has_upstreams THEN
    FOR job IN
      SELECT x.task, x.provider, v.kind, v.value
      FROM (
        SELECT c.task, c.provider, c.upstream_id, c.socket_token FROM json_to_recordset(creates)
          AS c(task text, provider text, upstream_id text, socket_token text)
        UNION ALL
        SELECT a.task, h.provider, a.upstream_id, a.socket_token FROM json_to_recordset(appends)
          AS a(task text, upstream_id text, socket_token text) JOIN heads h ON h.task = a.task
      ) x CROSS JOIN LATERAL (VALUES ('id', x.upstream_id), ('token', x.socket_token)) AS v(kind, value)
      WHERE v.value IS NOT NULL
      ORDER BY x.provider, v.kind, v.value, x.task
    LOOP
      CONTINUE WHEN NOT job.task = ANY (going);
      INSERT INTO upstreams AS u (provider, kind, value, task) VALUES (job.provider, job.kind, job.value, job.task)
      ON CONFLICT (provider, kind, value) DO UPDATE SET task = u.task WHERE u.task = excluded.task;
      IF NOT FOUND THEN
        going := array_remove(going, job.task);
        problems := problems || json_build_object('task', job.task, 'why', 'taken', 'winner', (
          SELECT task FROM upstreams u WHERE u.provider = job.provider AND u.kind = job.kind AND u.value = job.value
        ));
        PERFORM relay_drop_upstreams(job.task);
        DELETE FROM claims WHERE task = job.task AND NOT EXISTS (SELECT 1 FROM heads WHERE task = job.task);
      END IF;
    END LOOP;
  END IF;

  IF appends IS NOT NULL THEN
    UPDATE heads h SET seq = x.last, state = x.state, node = me, batch = number,
      in_line = x.state = 'held' OR (h.in_line AND x.state = 'submitting'),
      -- An event of a run that is searched for does not send it again.
      sending = x.state = 'submitting' AND (h.sending OR h.state <> 'submitting')
    FROM json_to_recordset(appends) AS x(task text, last bigint, state text)
    WHERE h.task = x.task AND x.task = ANY (going);
    IF moved <> '{}' THEN
      UPDATE listed l SET state = h.state FROM heads h
      WHERE h.task = ANY (moved) AND h.task = ANY (going) AND l.task = h.task;
      -- An order about a task that has ended is done.
      UPDATE tasks t SET ended_at = coalesce(x.ended_at, t.created_at)
      FROM json_to_recordset(appends) AS x(task text, state text, ended_at double precision)
      WHERE t.id = x.task AND x.task = ANY (going) AND x.state IN ('succeeded', 'failed', 'canceled', 'lost');
      DELETE FROM commands WHERE task IN (
        SELECT x.task FROM json_to_recordset(appends) AS x(task text, state text)
        WHERE x.task = ANY (going) AND x.state IN ('succeeded', 'failed', 'canceled', 'lost')
      );
      -- A file that was uploaded is on the disk of this node.
      INSERT INTO copies (task, part, provider, url, name, content_type, size_bytes, sha256, state, attempts, next_at, owner)
      SELECT x.task, c.part, c.provider, c.url, c.name, c.content_type, c.size_bytes, c.sha256, 'waiting', 0, 0,
        CASE WHEN c.part LIKE 'inputs/%' THEN me END
      FROM json_to_recordset(appends) AS x(task text, copies json)
        CROSS JOIN LATERAL json_to_recordset(coalesce(x.copies, '[]')) AS c(
          part text, provider text, url text, name text, content_type text, size_bytes bigint, sha256 text
        )
      WHERE x.task = ANY (going) ON CONFLICT DO NOTHING;
    END IF;
    IF has_stalls THEN
      DELETE FROM stalled WHERE task IN (
        SELECT x.task FROM json_to_recordset(appends) AS x(task text, stalled boolean) WHERE x.task = ANY (going) AND NOT x.stalled
      );
      INSERT INTO stalled (task)
      SELECT x.task FROM json_to_recordset(appends) AS x(task text, stalled boolean) WHERE x.task = ANY (going) AND x.stalled
      ON CONFLICT DO NOTHING;
    END IF;
    IF has_upstreams OR has_keys THEN
      FOR job IN
        SELECT * FROM json_to_recordset(appends) AS x(
          task text, upstream boolean, upstream_id text, socket_token text, frees_key boolean
        ) WHERE x.task = ANY (going) AND (x.upstream OR x.frees_key)
      LOOP
        IF job.upstream THEN
          UPDATE tasks SET upstream_id = job.upstream_id, socket_token = job.socket_token WHERE id = job.task;
          PERFORM relay_drop_upstreams(job.task);
        END IF;
        IF job.frees_key THEN
          DELETE FROM claims WHERE task = job.task;
          DELETE FROM starts WHERE task = job.task;
        END IF;
      END LOOP;
    END IF;
  END IF;

  IF creates IS NOT NULL THEN
    INSERT INTO heads (task, provider, created_at, owner, node, batch, seq, state, in_line, sending)
    -- A task that was attached to has an upstream task already: it is not sent.
    SELECT x.task, x.provider, x.created_at, me, me, number, 1, x.state,
      x.state = 'held' OR (
        x.state = 'submitting' AND coalesce(x.upstream_id, x.socket_token) IS NULL
        AND EXISTS (SELECT 1 FROM heads h WHERE h.provider = x.provider AND h.in_line)
      ),
      x.state = 'submitting' AND coalesce(x.upstream_id, x.socket_token) IS NULL
    FROM json_to_recordset(creates) AS x(
      task text, provider text, created_at double precision, state text, upstream_id text, socket_token text
    )
    WHERE x.task = ANY (going);
    WITH new AS (
      INSERT INTO tasks (id, provider, model, created_at, ended_at, hook, upstream_id, socket_token, tags, metadata, input,
        checked, files, webhook, started_by, title, prompt, traceparent, estimate, estimate_unit)
      SELECT x.task, x.provider, x.model, x.created_at,
        CASE WHEN x.state IN ('succeeded', 'failed', 'canceled', 'lost') THEN x.created_at END,
        x.hook, x.upstream_id, x.socket_token, x.tags, x.metadata, x.input, x.checked, x.files,
        x.webhook, x.started_by, x.title, x.prompt, x.traceparent, x.estimate, x.estimate_unit
      FROM json_to_recordset(creates) AS x(
        task text, provider text, model text, created_at double precision, state text, hook text, upstream_id text,
        socket_token text, tags text, metadata text, input text, checked text, files text, webhook text,
        started_by text, title text, prompt text, traceparent text, estimate double precision, estimate_unit text
      )
      WHERE x.task = ANY (going) RETURNING *
    )
    SELECT grown + coalesce(sum(relay_task_bytes(new)), 0) INTO grown FROM new;
    INSERT INTO listed (task, tag, provider, model, state, created_at)
    SELECT x.task, tag, x.provider, x.folded_model, x.state, x.created_at
    FROM json_to_recordset(creates) AS x(
      task text, provider text, folded_model text, created_at double precision, state text, list_tags text[]
    ) CROSS JOIN unnest(x.list_tags) AS tag
    WHERE x.task = ANY (going);
    INSERT INTO starts (tag, at, task)
    SELECT tag, x.created_at, x.task
    FROM json_to_recordset(creates) AS x(task text, created_at double precision, list_tags text[])
      CROSS JOIN unnest(x.list_tags) AS tag
    WHERE x.task = ANY (going) AND tag <> ''
    ON CONFLICT DO NOTHING;
    PERFORM relay_add_words(ARRAY(
      SELECT w FROM json_to_recordset(creates) AS x(task text, words json) CROSS JOIN json_array_elements(x.words) AS w
      WHERE x.task = ANY (going)
    ));
    INSERT INTO title_words (task, word)
    SELECT x.task, word FROM json_to_recordset(creates) AS x(task text, title_words text[])
      CROSS JOIN unnest(x.title_words) AS word
    WHERE x.task = ANY (going);
  END IF;

  WITH added AS (
    INSERT INTO events (task, seq, node, batch, body)
    SELECT e.task, e.seq, me, number, e.body
    FROM unnest(event_task, event_seq, event_body) AS e(task, seq, body) WHERE e.task = ANY (going)
    RETURNING 200 + octet_length(body) AS size
  )
  SELECT grown + coalesce(sum(size), 0) INTO grown FROM added;

  IF has_webhooks THEN
    grown := grown + relay_add_webhooks(ARRAY(
      SELECT w FROM json_to_recordset(appends) AS x(task text, webhooks json)
        CROSS JOIN json_array_elements(x.webhooks) WITH ORDINALITY AS e(w, place)
      WHERE x.webhooks IS NOT NULL AND x.task = ANY (going) ORDER BY x.task, place
    ));
  END IF;

  IF has_snapshots THEN
    FOR job IN
      SELECT * FROM json_to_recordset(appends) AS x(task text, last bigint, snapshot text)
      WHERE x.snapshot IS NOT NULL AND x.task = ANY (going)
    LOOP
      SELECT grown - coalesce(octet_length(snapshot), 0) + octet_length(job.snapshot) INTO grown
      FROM tasks WHERE id = job.task;
      UPDATE tasks SET snapshot = job.snapshot, snapshot_seq = job.last WHERE id = job.task;
      grown := grown - relay_trim(job.task, job.last, history_events, history_bytes);
    END LOOP;
  END IF;

  -- Last, because all nodes write to these rows: they are locked for as short a time as possible.
  IF has_tallies THEN
    PERFORM relay_add_tallies(ARRAY(
      SELECT x.tally FROM json_to_recordset(appends) AS x(task text, tally jsonb)
      WHERE x.tally IS NOT NULL AND x.task = ANY (going)
    ));
  END IF;
  IF has_charges THEN
    PERFORM relay_add_charges(ARRAY(
      SELECT x.charge FROM json_to_recordset(appends) AS x(task text, charge json)
      WHERE x.charge IS NOT NULL AND x.task = ANY (going)
    ));
  END IF;

  UPDATE nodes SET batch = number, until = clock_timestamp() + lease, seen_at = clock_timestamp(), bytes = bytes + grown
  WHERE id = me;
  verdict := 'new';
  taken := going;
  refused := array_to_json(problems);
END $$;

-- Add tallies to their rows, each in order: nodes that do so at the same time wait in one direction.
CREATE OR REPLACE FUNCTION relay_add_tallies(tallied jsonb[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  one record;
BEGIN
  FOR one IN
    SELECT x.* FROM unnest(tallied) AS j CROSS JOIN LATERAL jsonb_to_record(j)
      AS x(provider text, model text, inputs text, day bigint, counts jsonb, slowest jsonb, failed jsonb)
    ORDER BY x.provider COLLATE "C", x.model COLLATE "C", x.inputs COLLATE "C", x.day
  LOOP
    INSERT INTO tallies AS t (provider, model, inputs, day, counts, slowest, failed)
    VALUES (one.provider, one.model, one.inputs, one.day, one.counts, one.slowest, one.failed)
    ON CONFLICT (provider, model, inputs, day) DO UPDATE SET
      counts = relay_sum_counts(t.counts, excluded.counts),
      slowest = relay_most_notable(t.slowest || excluded.slowest),
      failed = relay_most_notable(t.failed || excluded.failed);
  END LOOP;
END $$;

-- Lock the accounts that the limits of new tasks are about, each in order, until the end of the transaction; return whether
-- there are any. What another node has committed to them is visible to the statements after this one.
CREATE OR REPLACE FUNCTION relay_lock_accounts(creates json) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  accounts bigint[];
  one bigint;
BEGIN
  accounts := ARRAY(
    SELECT DISTINCT hashtextextended('relay:' || l.account, 0) FROM json_to_recordset(creates) AS x(limits json)
      CROSS JOIN LATERAL json_to_recordset(x.limits) AS l(account text)
    ORDER BY 1
  );
  FOREACH one IN ARRAY accounts LOOP
    PERFORM pg_advisory_xact_lock(one);
  END LOOP;
  RETURN accounts <> '{}';
END $$;

-- Whether a task counts towards an account (see relay/core/spending.py).
CREATE OR REPLACE FUNCTION relay_is_in_account(account text, started_by text, tags text[]) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
  SELECT account = '' OR account = 'key:' || started_by
    OR (left(account, 4) = 'tag:' AND substr(account, 5) = ANY (tags))
$$;

-- The first limit that does not allow a new task, as an element of `refused`; null if all do. `beside` are the tasks of the
-- same batch that are going to be created. The rules are those of relay/core/spending.py.
CREATE OR REPLACE FUNCTION relay_exceeded(creates json, whose text, beside text[]) RETURNS json LANGUAGE plpgsql AS $$
DECLARE
  new record;
  one record;
  tag_of text;
  used double precision;
  reserved double precision;
  until double precision;
BEGIN
  SELECT * INTO new FROM json_to_recordset(creates)
    AS x(task text, created_at double precision, estimate double precision, estimate_unit text, limits json)
  WHERE x.task = whose;
  FOR one IN
    SELECT l.*, place - 1 AS number FROM json_array_elements(new.limits) WITH ORDINALITY AS e(value, place)
      CROSS JOIN LATERAL json_to_record(e.value) AS l(account text, counted text, most double precision, day bigint)
    ORDER BY place
  LOOP
    tag_of := CASE WHEN left(one.account, 4) = 'tag:' THEN substr(one.account, 5) ELSE '' END;
    reserved := 0;
    until := NULL;
    IF one.counted = 'running' THEN
      SELECT count(*) INTO used FROM listed l
      WHERE l.tag = tag_of AND l.state NOT IN ('succeeded', 'failed', 'canceled', 'lost');
      used := used + (
        SELECT count(*) FROM json_to_recordset(creates) AS x(task text, list_tags text[])
        WHERE x.task = ANY (beside) AND tag_of = ANY (x.list_tags)
      );
      CONTINUE WHEN used < one.most;
    ELSIF one.counted = 'starts' THEN
      SELECT count(*), (array_agg(recent.at ORDER BY recent.at DESC))[one.most::bigint] + 3600 INTO used, until FROM (
        SELECT s.at FROM starts s WHERE s.tag = tag_of AND s.at > new.created_at - 3600
        UNION ALL
        SELECT x.created_at FROM json_to_recordset(creates)
          AS x(task text, created_at double precision, list_tags text[])
        WHERE x.task = ANY (beside) AND tag_of = ANY (x.list_tags)
      ) recent;
      CONTINUE WHEN used < one.most;
    ELSE
      CONTINUE WHEN new.estimate_unit <> one.counted;
      -- One statement: a task that ends meanwhile is either reserved or spent.
      SELECT coalesce((
        SELECT amount FROM spent s WHERE s.account = one.account AND s.day = coalesce(one.day, -1) AND s.unit = one.counted
      ), 0), coalesce((
        SELECT sum(t.estimate) FROM listed l JOIN tasks t ON t.id = l.task
        WHERE l.tag = tag_of AND l.state NOT IN ('succeeded', 'failed', 'canceled', 'lost')
          AND t.estimate_unit = one.counted AND relay_is_in_account(one.account, t.started_by, ARRAY[tag_of])
      ), 0) INTO used, reserved;
      reserved := reserved + coalesce((
        SELECT sum(x.estimate) FROM json_to_recordset(creates)
          AS x(task text, started_by text, list_tags text[], estimate double precision, estimate_unit text)
        WHERE x.task = ANY (beside) AND x.estimate_unit = one.counted
          AND relay_is_in_account(one.account, x.started_by, x.list_tags)
      ), 0);
      CONTINUE WHEN used + reserved < one.most - 1e-9
        AND used + reserved + coalesce(new.estimate, 0) <= one.most + 1e-9;
      until := (one.day + 1) * 86400;
    END IF;
    RETURN json_build_object(
      'task', whose, 'why', 'limit', 'number', one.number, 'used', used, 'reserved', reserved, 'until', until
    );
  END LOOP;
  RETURN NULL;
END $$;

-- Add charges to their rows, each in order: nodes that do so at the same time wait in one direction.
CREATE OR REPLACE FUNCTION relay_add_charges(charges json[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  one record;
BEGIN
  FOR one IN
    SELECT s ->> 0 AS account, (s ->> 1)::bigint AS day, s ->> 2 AS unit, sum((s ->> 3)::double precision) AS amount
    FROM unnest(charges) AS c CROSS JOIN LATERAL json_array_elements(c -> 'spent') AS s
    GROUP BY 1, 2, 3 ORDER BY (s ->> 0) COLLATE "C", 2, (s ->> 2) COLLATE "C"
  LOOP
    INSERT INTO spent AS t (account, day, unit, amount) VALUES (one.account, one.day, one.unit, one.amount)
    ON CONFLICT (account, day, unit) DO UPDATE SET amount = t.amount + excluded.amount;
  END LOOP;
  FOR one IN
    SELECT u.* FROM unnest(charges) AS c CROSS JOIN LATERAL json_to_recordset(c -> 'uses')
      AS u(day bigint, tag text, key text, provider text, model text, counts jsonb)
    ORDER BY u.day, u.tag COLLATE "C", u.key COLLATE "C", u.provider COLLATE "C", u.model COLLATE "C"
  LOOP
    INSERT INTO usage AS t (day, tag, key, provider, model, counts)
    VALUES (one.day, one.tag, one.key, one.provider, one.model, one.counts)
    ON CONFLICT (day, tag, key, provider, model) DO UPDATE SET counts = relay_sum_counts(t.counts, excluded.counts);
  END LOOP;
END $$;

-- The sum of two maps of counters.
CREATE OR REPLACE FUNCTION relay_sum_counts(one jsonb, other jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT one || coalesce(jsonb_object_agg(key, coalesce((one ->> key)::float8, 0) + value::float8), '{}')
  FROM jsonb_each_text(other)
$$;

-- The tasks with the highest numbers, of [number, task] each, as NOTABLE in relay/core/history/tally.py.
CREATE OR REPLACE FUNCTION relay_most_notable(tasks jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(jsonb_agg(task ORDER BY (task ->> 0)::float8 DESC, task ->> 1 DESC), '[]') FROM (
    SELECT task FROM (SELECT DISTINCT task FROM jsonb_array_elements(tasks) AS task) each
    ORDER BY (task ->> 0)::float8 DESC, task ->> 1 DESC LIMIT 5
  ) most
$$;

-- Remove upstream tasks of a task that are not those in its row of `tasks`.
CREATE OR REPLACE FUNCTION relay_drop_upstreams(whose text) RETURNS void LANGUAGE sql AS $$
  DELETE FROM upstreams u WHERE u.task = whose AND NOT EXISTS (
    SELECT 1 FROM tasks t WHERE t.id = u.task
      AND u.value = CASE u.kind WHEN 'id' THEN t.upstream_id ELSE t.socket_token END
  )
$$;

-- Delete the events of a log that are too many or too large; return the space that they took.
CREATE OR REPLACE FUNCTION relay_trim(log text, last bigint, history_events bigint, history_bytes bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  below bigint := last - history_events;
  freed bigint;
BEGIN
  IF (SELECT sum(octet_length(body)) FROM events WHERE task = log AND seq > below) > history_bytes THEN
    SELECT max(seq) INTO below FROM (
      SELECT seq, sum(octet_length(body)) OVER (ORDER BY seq DESC) AS size FROM events WHERE task = log
    ) sizes WHERE size > history_bytes;
  END IF;
  WITH gone AS (DELETE FROM events WHERE task = log AND seq <= below RETURNING 200 + octet_length(body) AS size)
  SELECT coalesce(sum(size), 0) INTO freed FROM gone;
  RETURN freed;
END $$;

-- Index names by their words: [word, name] each. Names that are there are locked, so that they are not removed before
-- this commit (see relay_remove).
CREATE OR REPLACE FUNCTION relay_add_words(rows json[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM words w
  WHERE (w.word, w.name) IN (SELECT r ->> 0, r ->> 1 FROM unnest(rows) AS r) ORDER BY w.word, w.name FOR KEY SHARE;
  INSERT INTO words (word, name) SELECT DISTINCT r ->> 0, r ->> 1 FROM unnest(rows) AS r ORDER BY 1, 2
  ON CONFLICT DO NOTHING;
END $$;

-- Delete the oldest tasks that ended before a time, with everything about them, at most `most`; return their ids. What
-- they took is subtracted from the bytes of node `me`, or of any node if it is null.
CREATE OR REPLACE FUNCTION relay_prune(me bigint, ended_before double precision, most integer) RETURNS text[]
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
  old text[];
BEGIN
  old := ARRAY(
    SELECT id FROM tasks WHERE created_at < relay_prune.ended_before AND ended_at < relay_prune.ended_before
    ORDER BY created_at, id LIMIT most FOR UPDATE SKIP LOCKED
  );
  IF old <> '{}' THEN
    DELETE FROM claims WHERE task = ANY (old);
    PERFORM relay_remove(me, old);
  END IF;
  RETURN old;
END $$;

-- Delete those of some tasks that have ended, with everything about them except their idempotency keys, and leave
-- tombstones; return those that are deleted now, by this call or by an earlier one. Notify all nodes.
CREATE OR REPLACE FUNCTION relay_delete(me bigint, chosen text[], deleted_at double precision, copies_gone boolean)
RETURNS text[] LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
  ended text[];
BEGIN
  ended := ARRAY(SELECT id FROM tasks WHERE id = ANY (chosen) AND ended_at IS NOT NULL ORDER BY id FOR UPDATE);
  IF ended <> '{}' THEN
    INSERT INTO tombstones (task, at, upstream) SELECT id, deleted_at, copies_gone FROM unnest(ended) AS id;
    PERFORM relay_remove(me, ended);
    PERFORM pg_notify('relay', 'deleted:' || me);
  END IF;
  RETURN ARRAY(SELECT task FROM tombstones WHERE task = ANY (chosen));
END $$;

-- Delete everything about tasks that have ended, except their idempotency keys. Their rows of `tasks` are locked.
CREATE OR REPLACE FUNCTION relay_remove(me bigint, gone text[]) RETURNS void LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
  names text[];
  freed bigint;
BEGIN
  names := ARRAY(
    SELECT model FROM listed WHERE task = ANY (gone) UNION SELECT tag FROM listed WHERE task = ANY (gone)
  );
  DELETE FROM upstreams WHERE task = ANY (gone);
  DELETE FROM heads WHERE task = ANY (gone);
  DELETE FROM listed WHERE task = ANY (gone);
  DELETE FROM title_words WHERE task = ANY (gone);
  DELETE FROM stalled WHERE task = ANY (gone);
  DELETE FROM commands WHERE task = ANY (gone);
  UPDATE copies SET state = 'orphaned', next_at = 0 WHERE task = ANY (gone);
  WITH old AS (DELETE FROM events WHERE task = ANY (gone) RETURNING 200 + octet_length(body) AS size)
  SELECT coalesce(sum(size), 0) INTO freed FROM old;
  WITH old AS (DELETE FROM webhooks WHERE task = ANY (gone) RETURNING 600 + octet_length(body) AS size)
  SELECT freed + coalesce(sum(size), 0) INTO freed FROM old;
  WITH old AS (DELETE FROM tasks WHERE id = ANY (gone) RETURNING relay_task_bytes(tasks) AS size)
  SELECT freed + coalesce(sum(size), 0) INTO freed FROM old;
  -- Only now, because the node cannot append while its row is locked.
  UPDATE nodes SET bytes = bytes - freed WHERE id = me;
  names := ARRAY(
    SELECT name FROM unnest(names) AS name WHERE NOT EXISTS (SELECT 1 FROM listed l WHERE l.tag = name)
      AND NOT EXISTS (SELECT 1 FROM listed l WHERE l.tag = '' AND l.model = name)
  );
  -- The locks wait for creates that have found these words; the next statement sees their tasks.
  PERFORM 1 FROM words WHERE name = ANY (names) ORDER BY word, name FOR UPDATE;
  DELETE FROM words w WHERE w.name = ANY (names)
    AND NOT EXISTS (SELECT 1 FROM listed l WHERE l.tag = w.name)
    AND NOT EXISTS (SELECT 1 FROM listed l WHERE l.tag = '' AND l.model = w.name);
END $$;

-- Claim copies of files for a node that are due at a time and that no living node has claimed, at most `most`. Those that
-- the node itself has claimed and does not hold are free, too: the answer to its claim was lost.
CREATE OR REPLACE FUNCTION relay_claim_copies(me bigint, due double precision, most integer, held text[])
RETURNS SETOF copies LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY
  UPDATE copies u SET owner = me
  FROM (
    SELECT c.task, c.part FROM copies c
    WHERE c.state IN ('waiting', 'expiring', 'orphaned') AND c.next_at <= due AND relay_is_free(c, me, held)
    ORDER BY c.next_at LIMIT most FOR UPDATE SKIP LOCKED
  ) free
  -- Another node may have claimed it between the snapshot of this statement and the lock.
  WHERE u.task = free.task AND u.part = free.part AND relay_is_free(u, me, held)
  RETURNING u.*;
END $$;

-- Whether a node may claim a copy.
CREATE OR REPLACE FUNCTION relay_is_free(c copies, me bigint, held text[]) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT c.owner IS NULL OR (c.owner = me AND NOT c.task || '/' || c.part = ANY (held))
    OR NOT EXISTS (SELECT 1 FROM nodes n WHERE n.id = c.owner AND n.alive)
$$;

-- Store what became of a copy that node `me` has claimed: `lost` if it has not, `complete` if no copy of the task is
-- waiting any more, otherwise `pending`. It may be repeated.
CREATE OR REPLACE FUNCTION relay_settle_copy(
  me bigint, whose text, which text, kind text, size bigint, digest text, became text, why text, tried integer,
  due double precision, kept double precision
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  stored copies%ROWTYPE;
BEGIN
  -- Of two nodes that settle the last copies of a task at once, the second one sees what the first one has stored.
  PERFORM 1 FROM copies WHERE task = whose ORDER BY part FOR UPDATE;
  SELECT * INTO stored FROM copies WHERE task = whose AND part = which;
  IF stored.owner = me THEN
    UPDATE copies SET owner = CASE WHEN became = 'waiting' AND part LIKE 'inputs/%' THEN me END, content_type = kind, size_bytes = size, sha256 = digest, reason = why, attempts = tried,
      next_at = due, kept_at = kept, state = CASE WHEN state = 'orphaned' THEN state ELSE became END
    WHERE task = whose AND part = which;
  ELSIF (stored.owner IS NULL AND stored.state IN (became, 'orphaned') AND stored.attempts = tried) IS NOT TRUE THEN
    RETURN 'lost';
  END IF;
  RETURN CASE WHEN EXISTS (SELECT 1 FROM copies WHERE task = whose AND state = 'waiting') THEN 'pending' ELSE 'complete' END;
END $$;

-- Store webhooks, [{id, task, url, type, at, body}, ...] in the order of their tasks and then of their delivery; return
-- the space that they take. Those that are stored already and those of tasks that do not exist are left out. The row of a
-- task is locked, so that no other node adds to its queues at the same time, and then the rows of a queue that have not
-- ended, so that the one before a new one is not settled meanwhile (see relay_settle).
CREATE OR REPLACE FUNCTION relay_add_webhooks(rows json[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  grown bigint;
BEGIN
  IF cardinality(rows) = 0 THEN
    RETURN 0;
  END IF;
  PERFORM 1 FROM tasks t
  WHERE t.id IN (SELECT r ->> 'task' FROM unnest(rows) AS r) ORDER BY t.id FOR NO KEY UPDATE;
  PERFORM 1 FROM webhooks w
  WHERE (w.task, w.url) IN (SELECT r ->> 'task', r ->> 'url' FROM unnest(rows) AS r)
    AND w.status IN ('queued', 'pending', 'sending') ORDER BY w.number FOR UPDATE;
  WITH new AS (
    SELECT x.*, place, row_number() OVER (PARTITION BY x.task, x.url ORDER BY place) AS behind
    FROM unnest(rows) WITH ORDINALITY AS e(r, place)
      CROSS JOIN json_to_record(e.r) AS x(id text, task text, url text, type text, at double precision, body text)
    WHERE EXISTS (SELECT 1 FROM tasks t WHERE t.id = x.task) AND NOT EXISTS (SELECT 1 FROM webhooks w WHERE w.id = x.id)
  ), placed AS (
    SELECT *, behind > 1 OR EXISTS (
      SELECT 1 FROM webhooks w
      WHERE w.task = new.task AND w.url = new.url AND w.status IN ('queued', 'pending', 'sending')
    ) AS waits FROM new
  ), added AS (
    INSERT INTO webhooks (id, task, url, type, created_at, since, status, due, body)
    SELECT id, task, url, type, at, at, CASE WHEN waits THEN 'queued' ELSE 'pending' END,
      CASE WHEN NOT waits THEN clock_timestamp() END, body
    FROM placed ORDER BY place
    ON CONFLICT (id) DO NOTHING RETURNING 600 + octet_length(body) AS size
  )
  SELECT coalesce(sum(size), 0) INTO grown FROM added;
  RETURN grown;
END $$;

-- Store webhooks that are not about an event, and count their space for node `me`.
CREATE OR REPLACE FUNCTION relay_put_webhooks(me bigint, rows json[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  grown bigint;
BEGIN
  PERFORM 1 FROM nodes WHERE id = me FOR NO KEY UPDATE; -- before other locks, as relay_append does
  grown := relay_add_webhooks(rows);
  UPDATE nodes SET bytes = bytes + grown WHERE id = me;
END $$;

-- Have webhooks sent again that a node has taken and does not send: `held` are those that node `me` is sending. A node
-- that is dead may still send one, until `patience` after it took it.
CREATE OR REPLACE FUNCTION relay_return_webhooks(me bigint, held text[], patience interval) RETURNS void
LANGUAGE sql AS $$
  UPDATE webhooks w SET status = 'pending', due = clock_timestamp(), node = NULL, claimed = NULL
  WHERE w.number IN (
    SELECT s.number FROM webhooks s
    WHERE s.status = 'sending' AND CASE WHEN s.node = me THEN NOT s.id = ANY (held) ELSE
      s.claimed < clock_timestamp() - patience AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.id = s.node AND n.alive)
    END
    FOR UPDATE SKIP LOCKED
  )
$$;

-- Take webhooks that are due, to send them: at most `most` in all. At most `per_url` are being sent to one URL at a time.
-- URLs to which the fewest are being sent come first.
CREATE OR REPLACE FUNCTION relay_claim_webhooks(me bigint, per_url integer, most integer) RETURNS SETOF webhooks
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
  receiver record;
  taken integer := 0;
  mine integer;
BEGIN
  FOR receiver IN
    -- The URLs of pending webhooks, one lookup each, however many webhooks there are.
    WITH RECURSIVE pending (url) AS (
      (SELECT w.url FROM webhooks w WHERE w.status = 'pending' ORDER BY w.url LIMIT 1)
      UNION ALL
      SELECT (
        SELECT w.url FROM webhooks w WHERE w.status = 'pending' AND w.url > p.url ORDER BY w.url LIMIT 1
      ) FROM pending p WHERE p.url IS NOT NULL
    )
    SELECT p.url, (SELECT count(*) FROM webhooks w WHERE w.url = p.url AND w.status = 'sending') AS sending,
      (SELECT min(w.due) FROM webhooks w WHERE w.url = p.url AND w.status = 'pending') AS first
    FROM pending p WHERE p.url IS NOT NULL ORDER BY sending, first
  LOOP
    CONTINUE WHEN receiver.first > clock_timestamp() OR receiver.sending >= per_url;
    EXIT WHEN taken >= most;
    RETURN QUERY
    WITH due AS (
      SELECT w.number FROM webhooks w WHERE w.url = receiver.url AND w.status = 'pending' AND w.due <= clock_timestamp()
      ORDER BY w.due, w.number LIMIT least(per_url - receiver.sending, most - taken) FOR UPDATE SKIP LOCKED
    )
    UPDATE webhooks w SET status = 'sending', due = NULL, node = me, claimed = clock_timestamp()
    FROM due WHERE w.number = due.number RETURNING w.*;
    GET DIAGNOSTICS mine = ROW_COUNT;
    taken := taken + mine;
  END LOOP;
END $$;

-- Note what came of sending a webhook that node `me` has taken: its new status, and when it is sent again if that is
-- `pending`. Otherwise have the next one of its queue sent, or stop all of them.
CREATE OR REPLACE FUNCTION relay_settle(
  me bigint, webhook text, new_status text, result text, sent_at double precision, again_in interval
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  settled webhooks%ROWTYPE;
BEGIN
  UPDATE webhooks w SET status = new_status, attempts = attempts + 1, tried_at = sent_at, answer = result,
    failures = CASE WHEN new_status = 'delivered' THEN 0 ELSE failures + 1 END,
    due = CASE WHEN new_status = 'pending' THEN clock_timestamp() + again_in END, node = NULL, claimed = NULL
  WHERE w.id = webhook AND w.status = 'sending' AND w.node = me RETURNING * INTO settled;
  IF NOT FOUND OR new_status = 'pending' THEN
    RETURN;
  END IF;
  -- A new statement: it sees what was stored while the one above waited for the lock of the row.
  IF new_status = 'stopped' THEN
    UPDATE webhooks w SET status = 'stopped', answer = result
    WHERE w.task = settled.task AND w.url = settled.url AND w.status = 'queued';
  ELSE
    PERFORM relay_advance(settled.task, settled.url);
  END IF;
END $$;

-- Have the first one of a queue sent, unless one of the queue is pending or being sent.
CREATE OR REPLACE FUNCTION relay_advance(whose text, receiver text) RETURNS void LANGUAGE sql AS $$
  UPDATE webhooks w SET status = 'pending', due = clock_timestamp()
  WHERE w.number = (
    SELECT min(number) FROM webhooks q WHERE q.task = whose AND q.url = receiver AND q.status = 'queued'
  ) AND NOT EXISTS (
    SELECT 1 FROM webhooks a WHERE a.task = whose AND a.url = receiver AND a.status IN ('pending', 'sending')
  )
$$;

-- Have a webhook sent now, as if it was stored at `now_at`.
CREATE OR REPLACE FUNCTION relay_send_again(webhook text, now_at double precision) RETURNS SETOF webhooks
LANGUAGE plpgsql AS $$
DECLARE
  wanted webhooks%ROWTYPE;
BEGIN
  SELECT * INTO wanted FROM webhooks w WHERE w.id = webhook;
  -- The task and all of the queue, in order, as relay_add_webhooks does.
  PERFORM 1 FROM tasks t WHERE t.id = wanted.task FOR NO KEY UPDATE;
  PERFORM 1 FROM webhooks w WHERE w.task = wanted.task AND w.url = wanted.url
    AND (w.id = webhook OR w.status IN ('queued', 'pending', 'sending')) ORDER BY w.number FOR UPDATE;
  UPDATE webhooks w SET due = clock_timestamp() WHERE w.id = webhook AND w.status = 'pending';
  UPDATE webhooks w SET status = 'queued', failures = 0, since = now_at
  WHERE w.id = webhook AND w.status IN ('delivered', 'failed', 'stopped');
  PERFORM relay_advance(wanted.task, wanted.url);
  RETURN QUERY SELECT * FROM webhooks w WHERE w.id = webhook;
END $$;

-- Store a revocation under a new number. The lock has the numbers committed in their order, so that a node that has read
-- up to one misses none before it.
CREATE OR REPLACE FUNCTION relay_revoke(what text, whose text, before double precision, until double precision)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  LOCK TABLE revocations IN SHARE ROW EXCLUSIVE MODE;
  INSERT INTO revocations AS r (kind, name, at, expires_at) VALUES (what, whose, before, until)
  ON CONFLICT (kind, name) DO UPDATE SET number = nextval(pg_get_serial_sequence('revocations', 'number')),
    at = greatest(r.at, excluded.at), expires_at = greatest(r.expires_at, excluded.expires_at);
END $$;

-- Delete entries of the audit from before a time, and the oldest ones beyond `keep` of each of both kinds.
CREATE OR REPLACE FUNCTION relay_forget_audit(before double precision, keep bigint) RETURNS void LANGUAGE sql AS $$
  DELETE FROM audit WHERE at < before;
  DELETE FROM audit WHERE action = 'auth_failed' AND number <= (
    SELECT number FROM audit WHERE action = 'auth_failed' ORDER BY number DESC LIMIT 1 OFFSET keep
  );
  DELETE FROM audit WHERE action <> 'auth_failed' AND number <= (
    SELECT number FROM audit WHERE action <> 'auth_failed' ORDER BY number DESC LIMIT 1 OFFSET keep
  );
$$;
