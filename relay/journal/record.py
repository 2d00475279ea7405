"""What is stored for a task in addition to its log, as the JSON columns of a table. Used by all backends on disk."""

import json
from dataclasses import dataclass
from typing import Final

import orjson
from pydantic import TypeAdapter

from relay.core.events import Cost
from relay.core.spending import Unit
from relay.core.upstream import CheckedInput, File, UpstreamTask
from relay.journal.base import StoredTask, Subscription
from relay.journal.damage import decoding

_FILES: Final = TypeAdapter(tuple[File, ...])
_SUBSCRIPTION: Final = TypeAdapter(Subscription)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The columns that are JSON."""

    tags: bytes
    metadata: bytes
    input: bytes
    files: bytes | None
    checked: bytes | None
    webhook: bytes | None

    @classmethod
    def of(cls, task: StoredTask) -> "Record":
        """
        Encode a task.

        Raises:
            TypeError: a value is not JSON.
            ValueError: a text cannot be encoded as UTF-8.
        """
        return cls(
            tags=orjson.dumps(task.tags),
            metadata=orjson.dumps(dict(task.metadata)),
            input=orjson.dumps(dict(task.input)),
            files=_FILES.dump_json(task.files) if task.files else None,
            checked=None if task.checked is None else _dump_checked(task.checked),
            webhook=None if task.webhook is None else _SUBSCRIPTION.dump_json(task.webhook),
        )


def restore(
    task: str,
    *,
    provider: str,
    model: str,
    created_at: float,
    title: str | None,
    tags: bytes | str,
    input: bytes | str,  # noqa: A002 - the column's name
    metadata: bytes | str,
    upstream_id: str | None,
    socket_token: str | None,
    hook: str | None,
    files: bytes | str | None,
    checked: bytes | str | None,
    webhook: bytes | str | None,
    started_by: str | None,
    traceparent: str | None,
    estimate: float | None,
    estimate_unit: Unit | None,
) -> StoredTask:
    """
    Return the task that columns describe.

    Raises:
        StoreDamaged: they cannot be decoded.
    """
    accepted = upstream_id is not None or socket_token is not None
    with decoding(task, "data"):
        return StoredTask(
            id=task,
            provider=provider,
            model=model,
            created_at=created_at,
            tags=tuple(orjson.loads(tags)),
            title=title,
            input=dict(orjson.loads(input)),
            metadata=dict(orjson.loads(metadata)),
            upstream=UpstreamTask(upstream_id=upstream_id, socket_token=socket_token) if accepted else None,
            hook=hook,
            files=_FILES.validate_json(files) if files else (),
            checked=_load_checked(checked) if checked else None,
            webhook=_SUBSCRIPTION.validate_json(webhook) if webhook else None,
            started_by=started_by or "",
            traceparent=traceparent,
            estimate=None if estimate is None or estimate_unit is None else Cost(amount=estimate, unit=estimate_unit),
        )


def _dump_checked(checked: CheckedInput) -> bytes:
    # json, because orjson writes no integers of more than 64 bits, which a checked input can contain.
    return json.dumps({"model": checked.model, "input": dict(checked.input)}, ensure_ascii=False).encode()


def _load_checked(stored: bytes | str) -> CheckedInput:
    checked = json.loads(stored)
    return CheckedInput(model=checked["model"], input=dict(checked["input"]))
