"""
The switchboard: every way in which the sandbox can be made to behave like the upstream at its worst.

One field is one switch, and its docstring says what it does. A switch is set as `name=value`: in a directive inside any
text input (`[sandbox: early_close=task_start:1006, exit=1]`), over `POST /sandbox/faults` for the next Run, or as the
server's default. This module parses and holds; what a switch does is done where that part of the upstream is played.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal, get_args, get_type_hints

from relay.errors import ConfigError
from relay.sandbox.switches import values
from relay.sandbox.switches.values import (
    BodyStop,
    Close,
    Dialect,
    HttpFault,
    OddFrame,
    OutputsShape,
    Refusal,
    WebhookShape,
)

_DIRECTIVE = re.compile(r"\[sandbox:([^\]]*)\]", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """The position of every switch; the defaults are the upstream in good health."""

    # The socket and its frames.
    dialect: Annotated[Dialect | None, values.one_of(*get_args(Dialect))] = None
    """The generation of the documentation that frames follow. Unset: that of the server."""
    welcome: Annotated[bool, values.flag] = True
    """Send a `connected` frame on each connection. Only as the server's default."""
    ack: Annotated[bool, values.flag] = False
    """Answer `task_info` with a `task_subscribed` frame, which is documented for agents only."""
    unknown_subscription: Annotated[Literal["silent", "error", "close"], values.one_of("silent", "error", "close")] = (
        "silent"
    )
    """The response to a token that belongs to no task. Only as the server's default."""
    tasktoken_missing: Annotated[bool, values.flag] = False
    """Send frames without token and ID, so that only the connection identifies the task."""
    result_missing: Annotated[bool, values.flag] = False
    """Send frames without `result`."""
    null_message: Annotated[Literal["null", "empty", "absent"] | None, values.one_of("null", "empty", "absent")] = None
    """How a stage frame represents a missing message. Unset: by the dialect."""
    verdict_fields: Annotated[Literal["all", "terminal", "none"], values.one_of("all", "terminal", "none")] = "all"
    """The gen-2 frames that have `success`, `terminal` and `exitCode`: its table and its samples disagree."""
    message_json_string: Annotated[bool, values.flag] = False
    """Send every object message as a string of JSON."""
    preprocess_skipped: Annotated[bool, values.flag] = False
    """Skip the optional preprocessing."""
    stage_order: Annotated[Literal["old", "new"] | None, values.one_of("old", "new")] = None
    """`old` assigns the task before preprocessing. Unset: by the dialect."""
    tqdm: Annotated[bool, values.flag] = False
    """Send progress as tqdm's text with carriage returns instead of objects."""
    percentages: Annotated[tuple[str, ...], values.many(values.any_text)] = ()
    """The raw percentages to send, repeatedly: `percentages=100|0|NaN||>100`."""
    stderr_lines: Annotated[int | None, values.count] = None
    """The number of lines that the model writes to stderr. Unset: a few, depending on the seed."""
    duplicate_every: Annotated[int, values.count] = 0
    """Send one of every N frames twice; 0: never."""
    reorder_every: Annotated[int, values.count] = 0
    """Send one of every N frames after its successor; 0: never."""
    straggler: Annotated[bool, values.flag] = False
    """Send a log frame after the terminal frame."""
    early_close: Annotated[Close | None, values.close_at] = None
    """Close the task's sockets once, after a stage: `early_close=task_start:1006`."""
    silent: Annotated[bool, values.flag] = False
    """Never send a frame for the task."""
    no_terminal: Annotated[bool, values.flag] = False
    """Never send the terminal frame, so that only the record has the end."""
    odd_frames: Annotated[tuple[OddFrame, ...], values.many(values.one_of(*get_args(OddFrame)))] = ()
    """Malformed frames to send in the middle of the run: `odd_frames=not_json|binary`."""
    huge_bytes: Annotated[int, values.count] = 8 * 1024 * 1024
    """The size of the text in the `huge` frame, in bytes."""
    finish_reason: Annotated[str, values.one_of("stop", "length", "content_filter", "error", "tool_calls")] = "stop"
    """Why a streamed answer ended, in gen-2."""

    answer_chunks: Annotated[int, values.count] = 0
    """The number of chunks of a streamed answer, with six characters each; 0: a few words per chunk."""
    answer_chunks_per_s: Annotated[int, values.count] = 50
    """The number of these chunks per second, at the pace of the real platform."""
    answer_slip: Annotated[bool, values.flag] = False
    """In the middle of a streamed answer, replace the text that was just sent."""
    answer_lists: Annotated[bool, values.flag] = False
    """Send gen-1's lists (`thinking`, `answer`, in frames also `raw`) beside gen-2's segments."""
    answer_progress_only: Annotated[bool, values.flag] = False
    """Send frames of a streamed answer without text; `isThinking` stays on to the last one."""
    answer_wrapper: Annotated[bool, values.flag] = False
    """Wrap the final answer in `<answer>` tags, in the outputs and in `debugoutput`."""
    answer_in: Annotated[Literal["outputs", "log"], values.one_of("outputs", "log")] = "outputs"
    """Where the final answer is: in the outputs, or only in `debugoutput` with empty outputs."""
    answer_calls: Annotated[tuple[str, ...], values.many(values.one_of("function_call", "custom_tool_call"))] = ()
    """Tool calls at the end of an answer, in gen-2: `answer_calls=function_call|custom_tool_call`."""
    full_log: Annotated[Literal["text", "empty"] | None, values.one_of("text", "empty")] = None
    """The content of `task_output_full` and `task_error_full`: the log, or an empty message. Unset: by the dialect."""

    # The course of the task.
    hold_at: Annotated[tuple[str, ...], values.many(values.stage_name)] = ()
    """Wait after each of these stages until released: `hold_at=task_queue|task_start`."""
    await_subscriber: Annotated[bool, values.flag] = False
    """Begin when the first socket has subscribed to the task, so that no frame is missed."""
    persisted_error: Annotated[Literal["", "recovers", "stays"], values.one_of("", "recovers", "stays")] = ""
    """Set the status to `task_error` before the run; then queue the task again, or never continue."""
    exit: Annotated[int, values.count] = 0
    """The exit code of the model. Other than 0: a failure, with a traceback and without outputs."""

    # The record, as Task/Detail shows it.
    detail_lag_s: Annotated[float, values.seconds] = 0.0
    """The delay in real seconds between the terminal frame and the end in the record."""
    detail_lag_polls: Annotated[int, values.count] = 0
    """The number of reads after the terminal frame until the record has the end."""
    detail_empty_polls: Annotated[int, values.count] = 0
    """The number of first reads that return an empty `tasklist`."""
    pexit_missing: Annotated[bool, values.flag] = False
    """Return the record without `pexit`."""
    outputs: Annotated[OutputsShape, values.one_of(*get_args(OutputsShape))] = "list"
    """How outputs are represented: `holes` puts empty objects between them, `json` is one string."""
    outputs_early: Annotated[bool, values.flag] = False
    """While the task runs, list outputs in the record, at temporary URLs that return 404."""
    stage_clock: Annotated[bool, values.flag] = True
    """Include the time of each stage in the record; off: only start and end."""
    timestamps: Annotated[Literal["s", "ms", "date"], values.one_of("s", "ms", "date")] = "s"
    """How times are written."""
    parameters_json: Annotated[bool, values.flag] = False
    """Return the echoed parameters as a string of JSON."""
    aliases: Annotated[bool, values.flag] = False
    """Return `taskid` and `output` instead of `id` and `outputs`."""

    # The calls.
    run_error: Annotated[Refusal | None, values.refusal] = None
    """Answer Run with an error envelope: `run_error=97:Insufficient balance`, or by name: `run_error=team_limit`."""
    run_http: Annotated[HttpFault | None, values.http_fault] = None
    """Return a wrong HTTP response to Run: `run_http=502:html`, `run_http=drop`."""
    run_http_started: Annotated[bool | None, values.flag] = None
    """Whether `run_http` starts the task nevertheless. Unset: by its kind."""
    run_envelope: Annotated[Literal["flat", "data"], values.one_of("flat", "data")] = "flat"
    """`data` wraps Run's answer as some samples of the documentation do."""
    sync_wait_s: Annotated[float, values.seconds] = 2400.0
    """How long `/Run/…/sync` of gen-2 waits before it returns 504. Only as the server's default."""
    run_taskid: Annotated[Literal["string", "number"], values.one_of("string", "number")] = "string"
    """How Run writes the task's ID."""
    run_token_missing: Annotated[bool, values.flag] = False
    """Return null as Run's `socketaccesstoken`."""
    detail_http: Annotated[HttpFault | None, values.http_fault] = None
    """Return a wrong HTTP response to Detail: `detail_http=500*3`."""
    detail_error: Annotated[Refusal | None, values.refusal] = None
    """Answer Detail with an error envelope."""
    retry_after_s: Annotated[int | None, values.count] = None
    """The `Retry-After` of wrong HTTP responses."""
    stop_http: Annotated[HttpFault | None, values.http_fault] = None
    """Return a wrong HTTP response to Cancel and Kill."""
    cancel_by: Annotated[Literal["taskid", "tasktoken", "both"], values.one_of("taskid", "tasktoken", "both")] = (
        "taskid"
    )
    """What Cancel accepts: production expects the ID, gen-1's documentation the token."""
    stop_gap: Annotated[Literal["neither", "cancel", "kill"], values.one_of("neither", "cancel", "kill")] = "kill"
    """The call that stops a task between accept and assign, which the documentation leaves open."""
    kill_by: Annotated[Literal["id_or_socket", "any"], values.one_of("id_or_socket", "any")] = "id_or_socket"
    """What Kill accepts: `any` includes the `tasktoken` that older documentation and one SDK send."""
    kill_error: Annotated[str, values.any_text] = ""
    """Refuse Kill with this reason."""

    # The catalogue of models. Only as the server's default: its calls belong to no task.
    parameters: Annotated[Literal["groups", "null"], values.one_of("groups", "null")] = "groups"
    """Whether Tool/Detail returns a model's inputs, or null instead. Only as the server's default."""
    number_type: Annotated[
        Literal["number", "numeric", "integer", "float"], values.one_of("number", "numeric", "integer", "float")
    ] = "number"
    """The name that Tool/Detail gives to the type of a numeric input. Only as the server's default."""
    option_values: Annotated[bool, values.flag] = True
    """Whether the options of a select have values in Tool/Detail, or only labels. Only as the server's default."""
    dynamicprice: Annotated[Literal["json", "array", "object"], values.one_of("json", "array", "object")] = "array"
    """
    How Tool/Detail represents the price; in Tool/List it is always a string of JSON. Only as the server's default.
    """

    # Bodies and the store of files. A body is read before its text is known: no directive inside it can say how.
    body_bytes_per_s: Annotated[int, values.count] = 0
    """How fast the body of a Run or of a file call is read, in real bytes per second; 0: without a limit."""
    body_stop: Annotated[BodyStop | None, values.body_stop] = None
    """
    Stop reading the body of a Run or of a file call after this number of bytes: `body_stop=65536` returns 413 while
    the client still sends, `body_stop=65536:drop` closes the connection.
    """
    boundaryless: Annotated[Literal["json", "refused"], values.one_of("json", "refused")] = "json"
    """
    How a JSON body with the header `multipart/form-data` without a boundary is treated, as the models' pages print
    it: read as JSON, or refused. Only as the server's default.
    """
    chunked: Annotated[Literal["accepted", "refused"], values.one_of("accepted", "refused")] = "accepted"
    """Whether a body without a Content-Length is accepted, or refused with 411. Only as the server's default."""
    cors: Annotated[bool, values.flag] = True
    """Allow pages of other origins to call the API (CORS). Only as the server's default."""
    file_http: Annotated[HttpFault | None, values.http_fault] = None
    """Return a wrong HTTP response to File/Upload and File/FolderCreate: `file_http=502:html`."""
    file_error: Annotated[Refusal | None, values.refusal] = None
    """
    Answer File/Upload and File/FolderCreate with an error envelope: one SDK received
    `file_error=0:invalid-parameters` with a project's key.
    """
    file_answer: Annotated[Literal["list", "samples", "data"], values.one_of("list", "samples", "data")] = "list"
    """
    How the file calls answer: as in gen-2, as in gen-1's code samples (`isfolder`, no `url`), or with the new
    folder in `data`.
    """

    flaky: Annotated[float, values.share] = 0.0
    """
    The share of REST responses that become a 5xx or a broken connection, before or after the call took effect. Only
    as the server's default.
    """
    cut_share: Annotated[float, values.share] = 0.0
    """The share of frames after which the task's sockets are closed. Only as the server's default."""

    # The callback and the files.
    webhook: Annotated[WebhookShape, values.one_of(*get_args(WebhookShape))] = "tasklist"
    """The body of the callback: the whole envelope, the task alone, or `{taskid,status,outputs}`."""
    webhook_times: Annotated[int, values.count] = 1
    """The number of times that the callback is sent."""
    webhook_early: Annotated[bool, values.flag] = False
    """Send the callback before the terminal frame."""
    webhook_delay_s: Annotated[float, values.seconds] = 0.0
    """The delay of the callback in real seconds."""
    cdn_status: Annotated[int, values.count] = 200
    """The status of a request for a file: `cdn_status=403`."""
    cdn_delay_s: Annotated[float, values.seconds] = 0.0
    """The delay before the response to a request for a file, in real seconds."""
    cdn_expires_s: Annotated[float | None, values.seconds] = None
    """The number of real seconds after the task's end when the URL of a file begins to return 403."""

    # Apikley alone; of the others it has those that docs/sandbox.md names.
    fail: Annotated[Refusal | None, values.refusal] = None
    """Apikley: fail the job with this code and message: `fail=500:The prompt was refused`."""
    code_as_status: Annotated[bool, values.flag] = False
    """Apikley: use the code of a refusal as HTTP status too, instead of 200."""
    param_twice: Annotated[bool, values.flag] = False
    """Apikley: escape the record's `param` twice."""
    result: Annotated[Literal["urls", "object", "null"], values.one_of("urls", "object", "null")] = "urls"
    """Apikley: the content of `resultJson` of a succeeded job."""
    spelling: Annotated[Literal["apikley", "kie"], values.one_of("apikley", "kie")] = "apikley"
    """
    Apikley: the platform whose page the record follows. kie's has `msg` instead of `message`, `costTime`,
    `creditsConsumed`, and null for absent values.
    """
    cost_time: Annotated[Literal["none", "ms", "s"] | None, values.one_of("none", "ms", "s")] = None
    """Apikley: the unit of the record's `costTime`, if any. Unset: by the spelling."""
    credits: Annotated[str | None, values.one_of("creditsConsumed", "consumeCredits", "none")] = None
    """Apikley: the name of the record's price, if any. Unset: by the spelling."""
    job_progress: Annotated[bool, values.flag] = False
    """Apikley: include `progress` in the record of a generating job."""
    signature: Annotated[Literal["good", "bad", "old", "none"], values.one_of("good", "bad", "old", "none")] = "good"
    """Apikley: how the callback is signed."""
    callback_id: Annotated[Literal["taskId", "task_id"], values.one_of("taskId", "task_id")] = "taskId"
    """Apikley: the name of the job's ID in the callback."""

    def with_switches(self, positions: Mapping[str, str]) -> "Faults":
        """
        Return these faults with some switches in another position.

        Raises:
            ConfigError: there is no such switch, or it takes another kind of value.
        """
        changes: dict[str, object] = {}
        for name, value in positions.items():
            if name not in _PARSERS:
                raise ConfigError(f"sandbox: there is no switch {name!r}")
            try:
                changes[name] = _PARSERS[name](value.strip())
            except ValueError as error:
                raise ConfigError(f"sandbox: {name} takes {error}") from error
        return replace(self, **changes) if changes else self  # type: ignore[arg-type]


_PARSERS: dict[str, Callable[[str], object]] = {
    name: annotated.__metadata__[0] for name, annotated in get_type_hints(Faults, include_extras=True).items()
}
# A value may hold a comma, so only a comma before the name of a switch parts two of them.
_NEXT_SWITCH = re.compile(rf",\s*(?=(?:{'|'.join(_PARSERS)})\s*(?:=|,|$))")


def parse_switches(text: str) -> dict[str, str]:
    """Split `a=1, b` into its switches; a bare name is switched on."""
    found = {}
    for part in filter(str.strip, _NEXT_SWITCH.split(text.strip(" ,"))):
        name, _, value = part.partition("=")
        found[name.strip()] = value
    return found


def directives(texts: Iterable[str]) -> dict[str, str]:
    """Collect the switches of every `[sandbox: …]` in the texts; a later one wins."""
    positions: dict[str, str] = {}
    for text in texts:
        for found in _DIRECTIVE.finditer(text):
            positions |= parse_switches(found[1])
    return positions


def without_directives(text: str) -> str:
    """Return a text as its author meant it for the model."""
    return _DIRECTIVE.sub("", text).strip()
