"""
The JSON of every response, as types. Handlers build them and the OpenAPI document describes them.

They come from typing_extensions because pydantic needs that on Python 3.11.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NotRequired

from typing_extensions import TypedDict

from relay.catalogue.model import InputType, Option
from relay.core.events import Cost, Event, Output, State
from relay.core.history.report import ModelSummary
from relay.core.history.usual import UsualRun
from relay.core.snapshot import Snapshot
from relay.core.upstream import StoredFile, StoredFolder
from relay.core.usage_report import By, UsageSummary
from relay.journal.audit import Action
from relay.journal.outbox import Status

_SNAPSHOT_FIELDS = tuple(field.name for field in fields(Snapshot))


class Links(TypedDict):
    """The URLs of a task. Absolute if `RELAY_PUBLIC_URL` is set, else relative."""

    self: str
    events: str
    ws: str
    view: str
    embed: str


class Started(TypedDict):
    """A task that was started or attached to, with a viewer token."""

    task: Snapshot
    token: str
    links: Links
    unconfirmed: NotRequired[str]
    """Why it is unknown whether the platform started the task."""


class Previous(TypedDict):
    """The run that was repeated: what it cost, and how long it took. Null if the platform has not said."""

    task: str
    cost: Cost | None
    elapsed_s: float | None


class StartedAgain(Started):
    """A task that repeats an earlier one."""

    previous: Previous


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedTask(Snapshot):
    """A task of a list, for callers that may read its input."""

    prompt: str | None
    """The beginning of its prompt, at most 200 UTF-16 units; null without a prompt."""
    first_output: Output | None


def listed_task(task: Snapshot, prompt: str | None) -> ListedTask:
    """Return a task as a list shows it to callers that may read its input."""
    state = {name: getattr(task, name) for name in _SNAPSHOT_FIELDS}
    return ListedTask(**state, prompt=prompt, first_output=task.outputs[0] if task.outputs else None)


class TaskList(TypedDict):
    """A page of tasks without log and segments."""

    tasks: Sequence[ListedTask | Snapshot]
    """ListedTask for API keys and for tokens with the scope `input`."""
    next: str | None
    """The cursor of the next page."""
    node: NotRequired[str]
    """The node that answers, if it has a name: for callers with an API key."""


class TaskCounts(TypedDict):
    """How many tasks match a filter."""

    states: dict[str, int]
    """In each state."""
    stalled: int
    at_least: Sequence[State]
    """The states of which there may be more than that."""


class InputFile(TypedDict):
    """A file that a task was started with."""

    input: str
    filename: str
    content_type: str
    size: int
    """In bytes."""
    sha256: str


class Input(TypedDict):
    """What a task was started with."""

    input: Mapping[str, Any]
    files: list[InputFile]
    metadata: Mapping[str, Any]


class ArchivedCopy(TypedDict):
    """What became of the copy of a file in the archive."""

    state: str
    """`waiting`, `copying`, `kept`, `failed` or `removed`."""
    reason: str | None
    """Why the last attempt failed, or why the copy was removed."""
    attempts: int
    content_type: str | None
    """The type of the file itself, once it is kept."""
    size: int | None
    """In bytes, once it is kept."""
    sha256: str | None
    kept_at: float | None


class OutputFile(TypedDict):
    """A result that is a file."""

    n: int
    """Its number among the results, from 0."""
    href: str | None
    url: str | None
    """The file at the platform."""
    name: str | None
    content_type: str
    copy: ArchivedCopy | None
    """Null if it is not to be copied."""


class OutputList(TypedDict):
    """The results of a task that are files."""

    outputs: list[OutputFile]


class History(TypedDict):
    """A page of a task's events, oldest first."""

    epoch: str
    events: list[Event]
    first_seq: int
    """The seq of the oldest event that is kept."""
    next: int | None
    """The `after` of the next page."""


class Messages(TypedDict):
    """The messages that a stream of the same subscriptions begins with."""

    messages: list[dict[str, Any]]


class FailedDeletion(TypedDict):
    """A task that has ended and was not deleted."""

    task: str
    detail: str


class DeletionReport(TypedDict):
    """What became of the tasks of a tag that were to be deleted."""

    tag: str
    deleted: int
    """How many tasks were deleted."""
    running: list[str]
    """The tasks that have not ended, so that they were not deleted."""
    failed: list[FailedDeletion]
    complete: bool
    """Whether all tasks of the tag were looked at. If not, the call must be repeated."""


class Token(TypedDict):
    """A viewer token for one task."""

    token: str
    expires_at: float
    """In unix seconds."""
    jti: str
    """The id by which it can be revoked."""
    links: Links


class TagToken(TypedDict):
    """A viewer token for all tasks of a tag."""

    token: str
    expires_at: float
    """In unix seconds."""
    jti: str
    """The id by which it can be revoked."""


class RevokedTokens(TypedDict):
    """What was revoked."""

    issued_until: float
    """Those that were issued until then, in unix seconds. One that was named by its `jti` is revoked in any case."""


class SignedIn(TypedDict):
    """The API key for a sign-in code."""

    key: str


class ModelInput(TypedDict):
    """An input of a model."""

    name: str
    label: str
    help: str
    type: InputType
    required: bool
    default: str | int | float | None
    options: Sequence[Option]
    part: str | None
    """The name of the multipart part for files, if the input takes files."""
    accept: Sequence[str]
    """The content types of files. Empty: any."""
    limits: dict[str, Any]


class Model(TypedDict):
    """A model and its inputs."""

    model: str
    provider: str
    available: bool
    """Whether the relay has credentials for the provider."""
    title: str
    description: str
    inputs: list[ModelInput]
    inspires: Sequence[Mapping[str, Any]]
    """Example inputs."""
    schema: dict[str, Any]
    """The JSON Schema of `input`."""


class DetailedModel(Model):
    """A model, its inputs, and what its runs take."""

    usual: UsualRun | None
    """How long its runs take and what they cost, whatever the input. Null if that is not known."""


class Estimate(TypedDict):
    """How long a run with some input probably takes, and what it costs."""

    provider: str
    model: str
    usual: UsualRun | None
    """Null if that is not known."""


class Stats(TypedDict):
    """What the tasks of each model took and cost."""

    days: int
    models: Sequence[ModelSummary]
    """The one with the most tasks first."""


class Usage(TypedDict):
    """What the tasks that ended in a period cost, by day, tag, model or API key. A day is one in UTC."""

    by: By
    since: str
    """The first day, as `2026-11-26`."""
    until: str
    """The last day."""
    usage: Sequence[UsageSummary]


class ModelList(TypedDict):
    """The models of the catalogue."""

    models: list[Model]


class UploadedFile(TypedDict):
    """A file that was uploaded to the platform's file store."""

    file: StoredFile


class CreatedFolder(TypedDict):
    """A folder that was created in the platform's file store."""

    folder: StoredFolder


class Webhook(TypedDict):
    """A webhook about a task, and what has become of it."""

    id: str
    """Sent to the receiver as `webhook-id`."""
    type: str
    task: str
    url: str
    status: Status
    attempts: int
    """How often it has been sent."""
    created_at: float
    """In unix seconds."""
    tried_at: float | None
    """When it was sent last, in unix seconds."""
    answer: str | None
    """What came of that, such as `HTTP 500`."""
    next_in_s: float | None
    """In how many seconds it is sent, while it is pending."""


class WebhookList(TypedDict):
    """A page of webhooks, newest first."""

    webhooks: list[Webhook]
    next: str | None
    """The cursor of the next page."""


class AuditRecord(TypedDict):
    """An action of one client."""

    at: float
    """In unix seconds."""
    action: Action
    key: str | None
    """The name of the API key, empty for a key without one; null if the client used none."""
    subject: str | None
    """What the client's token opens, as `task:ID` or `tag:TAG`; null if the client used none."""
    address: str | None
    """The client's address; null for failures of several addresses."""
    request_id: str | None
    task: str | None
    tag: str | None
    jti: str | None
    """The id of the token that was minted or revoked."""
    status: int
    """The HTTP status of the response; 499 if the client disconnected before it."""
    count: int
    """How many tasks were deleted, or how many authentications failed."""


class AuditList(TypedDict):
    """A page of the audit, newest first."""

    entries: list[AuditRecord]
    next: str | None
    """The cursor of the next page."""


class Liveness(TypedDict):
    """Whether the process answers."""

    status: str


class Readiness(TypedDict):
    """Whether the relay accepts new requests: `status` is `ok`, or describes the problem."""

    status: str
    following: int
    """The number of tasks that the relay follows."""
    viewers: int
    files_free: int
    """How many more files and connections the process may open."""
    disk_free_bytes: int | None
    """The space left for the store and for uploads, on the disk that has less; null if it is not known."""


class CallbackReceived(TypedDict):
    """The response that Apikley expects to a callback. Wiro ignores it."""

    code: int
    msg: str
