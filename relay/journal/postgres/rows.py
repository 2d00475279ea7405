"""What is committed, as the arguments of the function `relay_append` (see functions.sql)."""

import math
from collections.abc import Mapping, Sequence
from typing import Final

import orjson

from relay.core.spending import Limit
from relay.core.upstream import UpstreamTask
from relay.journal.base import Claim, StoredTask
from relay.journal.batch import Batch
from relay.journal.file_copies import FileCopy
from relay.journal.outbox import Webhook
from relay.journal.postgres.tallies import tally_row
from relay.journal.prompts import beginning
from relay.journal.record import Record
from relay.journal.search_words import title_words, word_suffixes

ALL_TASKS: Final = ""
"""The tag under which all tasks are listed. No task has it."""


def create_row(
    task: StoredTask, batch: Batch, claim: Claim | None, expired_before: float, limits: Sequence[Limit] = ()
) -> bytes:
    """
    Return a new task as an element of `creates`, as JSON.

    Raises:
        TypeError: a value is not JSON.
        ValueError: a text cannot be stored.
    """
    record = Record.of(task)
    model = task.model.lower()
    row: dict[str, object] = {
        "task": task.id,
        "provider": task.provider,
        "model": task.model,
        "folded_model": model,
        "created_at": task.created_at,
        "state": batch.state,
        "hook": task.hook,
        "tags": record.tags.decode(),
        "list_tags": sorted({ALL_TASKS, *task.tags}),
        "metadata": record.metadata.decode(),
        "input": record.input.decode(),
        "checked": _text(record.checked),
        "files": _text(record.files),
        "webhook": _text(record.webhook),
        "started_by": task.started_by or None,
        "traceparent": task.traceparent,
        "title": task.title,
        "prompt": beginning(task.input),
        "words": [[word, name] for name in {model, *task.tags} for word in word_suffixes(name)],
        "title_words": title_words(task.title),
        **_upstream(task.upstream),
    }
    if task.estimate is not None:
        row |= {"estimate": task.estimate.amount, "estimate_unit": task.estimate.unit}
    if limits:
        row["limits"] = limits
    if claim is not None:
        row |= {
            "key": claim.key,
            "digest": claim.digest,
            "at": claim.at,
            "expired_before": expired_before if math.isfinite(expired_before) else None,
        }
    _check_texts(
        task.id, task.model, *task.tags, task.title or "", "" if claim is None else claim.key, *_values(task.upstream)
    )
    return orjson.dumps(row)


def append_row(batch: Batch) -> bytes:
    """
    Return events of a task as an element of `appends`, as JSON.

    Raises:
        ValueError: a text cannot be stored.
    """
    row: dict[str, object] = {
        "task": batch.task,
        "first": batch.entries[0].seq,
        "last": batch.last_seq,
        "state": batch.state,
    }
    if batch.stalled is not None:
        row["stalled"] = batch.stalled
    if batch.ended_at is not None:
        row["ended_at"] = batch.ended_at
    if batch.snapshot is not None:
        row["snapshot"] = batch.snapshot.decode()
    if batch.upstream is not None:
        row |= {"upstream": True, **_upstream(batch.upstream)}
        _check_texts(*_values(batch.upstream))
    if batch.frees_key:
        row["frees_key"] = True
    if batch.copies:
        row["copies"] = [_copy(copy) for copy in batch.copies]
    if batch.webhooks:
        row["webhooks"] = [webhook_row(webhook) for webhook in batch.webhooks]
    if batch.tally is not None:
        row["tally"] = tally_row(batch.tally)
    if batch.charge is not None:
        row["charge"] = {"spent": [*batch.charge.spent()], "uses": [*batch.charge.rows()]}
    return orjson.dumps(row)


def _copy(copy: FileCopy) -> Mapping[str, object]:
    _check_texts(copy.url, copy.name or "", copy.content_type)
    return {
        "part": copy.part,
        "provider": copy.provider,
        "url": copy.url,
        "name": copy.name,
        "content_type": copy.content_type,
        "size_bytes": copy.size_bytes,
        "sha256": copy.sha256,
    }


def webhook_row(webhook: Webhook) -> Mapping[str, object]:
    """
    Return a webhook as the functions of the database take it.

    Raises:
        ValueError: its URL cannot be stored.
    """
    _check_texts(webhook.url)
    return {
        "id": webhook.id,
        "task": webhook.task,
        "url": webhook.url,
        "type": webhook.type,
        "at": webhook.created_at,
        "body": webhook.body.decode(),
    }


def _upstream(upstream: UpstreamTask | None) -> Mapping[str, object]:
    if upstream is None:
        return {}
    return {"upstream_id": upstream.upstream_id, "socket_token": upstream.socket_token}


def _values(upstream: UpstreamTask | None) -> tuple[str, ...]:
    return () if upstream is None else (upstream.upstream_id or "", upstream.socket_token or "")


def _text(body: bytes | None) -> str | None:
    return None if body is None else body.decode()


def _check_texts(*texts: str) -> None:
    """
    Check texts that are columns. In JSON, every character can be stored.

    Raises:
        ValueError: PostgreSQL cannot store one.
    """
    for text in texts:
        if "\0" in text:
            raise ValueError("PostgreSQL cannot store a text with the character U+0000")
