"""The calls of the API as values: both clients send the same."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict
from urllib.parse import quote

import orjson

from relay.client.files import InputFiles


class StartOptions(TypedDict, total=False):
    """What a start may have in addition to its model and input (docs/protocol.md section 2)."""

    provider: str
    title: str
    tags: Sequence[str]
    metadata: Mapping[str, Any]
    ttl: int
    """Lifetime of the token in the answer, in seconds."""
    webhook: Mapping[str, Any]
    files: InputFiles
    """For each input of the model, its files."""
    idempotency_key: str
    """A start that is sent twice under one key starts one task. Without it, a random key makes retries safe."""


class AgainOptions(TypedDict, total=False):
    """What differs from the task that is run again. The fields of `input` replace those of the earlier one."""

    input: Mapping[str, Any]
    title: str
    tags: Sequence[str]
    metadata: Mapping[str, Any]
    ttl: int
    idempotency_key: str


class TokenOptions(TypedDict, total=False):
    """What a token allows. Exactly one of `task` and `tag` is required."""

    task: str
    tag: str
    scope: str
    """Such as `view cancel`; by default `view`."""
    ttl: int
    """In seconds."""
    models: Sequence[str]
    """With the scope `start`: the models that it may start, such as `owner/*`."""
    limits: Mapping[str, float]
    """With the scope `start`: `running`, `per_hour`, `spend_usd` and `spend_credits`."""
    inputs: Mapping[str, Any]
    """With the scope `start`: values or bounds of inputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. All of them can be sent again after a failure of the network: starts have an idempotency key."""

    method: str
    path: str
    """Below the relay's address."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """JSON."""
    files: InputFiles = field(default_factory=dict)
    """If there are any, the body is the part `task` of a multipart body."""


def start(model: str, input: Mapping[str, Any], options: StartOptions) -> Call:  # noqa: A002 -- as in the protocol
    """Return the call that starts a task."""
    fields: dict[str, Any] = {"model": model, "input": input, **options}
    files = fields.pop("files", {})
    return Call(method="POST", path="/v1/tasks", headers=_idempotency(fields), body=orjson.dumps(fields), files=files)


def again(task: str, options: AgainOptions) -> Call:
    """Return the call that runs a task again."""
    fields: dict[str, Any] = {**options}
    path = f"{_path(task)}/again"
    return Call(method="POST", path=path, headers=_idempotency(fields), body=orjson.dumps(fields))


def get(task: str) -> Call:
    """Return the call that reads a task."""
    return Call(method="GET", path=_path(task))


def cancel(task: str) -> Call:
    """Return the call that asks the platform to stop a task."""
    return Call(method="POST", path=f"{_path(task)}/cancel")


def delete(task: str, *, cancel: bool, upstream: bool) -> Call:
    """Return the call that deletes a task."""
    flags = [f"{name}=1" for name, wanted in (("cancel", cancel), ("upstream", upstream)) if wanted]
    return Call(method="DELETE", path=f"{_path(task)}?{'&'.join(flags)}".removesuffix("?"))


def mint(options: TokenOptions) -> Call:
    """
    Return the call that mints a token.

    Raises:
        ValueError: neither a task nor a tag is named, or both are.
    """
    fields: dict[str, Any] = {**options}
    if ("task" in fields) == ("tag" in fields):
        raise ValueError("name either a task or a tag")
    task = fields.pop("task", None)
    path = "/v1/tokens" if task is None else f"{_path(task)}/tokens"
    return Call(method="POST", path=path, body=orjson.dumps(fields))


def stream(task: str) -> Call:
    """Return the call that opens the event stream of a task."""
    return Call(method="GET", path=f"{_path(task)}/events", headers={"Accept": "text/event-stream"})


def _path(task: str) -> str:
    return f"/v1/tasks/{quote(task, safe='')}"


def _idempotency(fields: dict[str, Any]) -> Mapping[str, str]:
    """Move the idempotency key from the fields to the headers."""
    return {"Idempotency-Key": fields.pop("idempotency_key", None) or secrets.token_urlsafe(16)}
