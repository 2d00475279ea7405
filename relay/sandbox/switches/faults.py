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
    """The generation of the documents that the frames follow; the server's own unless set."""
    welcome: Annotated[bool, values.flag] = True
    """A `connected` frame greets each connection. Only as the server's default: no task is known yet."""
    ack: Annotated[bool, values.flag] = False
    """A `task_info` is answered with a `task_subscribed` frame, which is documented for agents alone."""
    unknown_subscription: Annotated[Literal["silent", "error", "close"], values.one_of("silent", "error", "close")] = (
        "silent"
    )
    """What a token that belongs to no task gets. Only as the server's default."""
    tasktoken_missing: Annotated[bool, values.flag] = False
    """Frames name neither their token nor their id: only the connection tells whose they are."""
    result_missing: Annotated[bool, values.flag] = False
    """Frames have no `result`."""
    null_message: Annotated[Literal["null", "empty", "absent"] | None, values.one_of("null", "empty", "absent")] = None
    """How a stage frame says that it has no message; by the dialect unless set."""
    verdict_fields: Annotated[Literal["all", "terminal", "none"], values.one_of("all", "terminal", "none")] = "all"
    """Which gen-2 frames carry `success`, `terminal` and `exitCode`: its table and its samples disagree."""
    message_json_string: Annotated[bool, values.flag] = False
    """Every object message comes as a string of JSON."""
    preprocess_skipped: Annotated[bool, values.flag] = False
    """No preprocessing: it is optional."""
    stage_order: Annotated[Literal["old", "new"] | None, values.one_of("old", "new")] = None
    """`old` assigns before it preprocesses; by the dialect unless set."""
    tqdm: Annotated[bool, values.flag] = False
    """Progress comes as tqdm's text with carriage returns instead of objects."""
    percentages: Annotated[tuple[str, ...], values.many(values.any_text)] = ()
    """The raw percentages to send, over and over: `percentages=100|0|NaN||>100`."""
    stderr_lines: Annotated[int | None, values.count] = None
    """How many lines the model writes to stderr; a few, by the seed, unless set."""
    duplicate_every: Annotated[int, values.count] = 0
    """Every so many frames, one is sent twice; 0 is never."""
    reorder_every: Annotated[int, values.count] = 0
    """Every so many frames, one is sent after its successor; 0 is never."""
    straggler: Annotated[bool, values.flag] = False
    """A log frame comes after the terminal one."""
    early_close: Annotated[Close | None, values.close_at] = None
    """Close the task's sockets once, after a stage: `early_close=task_start:1006`."""
    silent: Annotated[bool, values.flag] = False
    """The socket never sends a frame for the task."""
    no_terminal: Annotated[bool, values.flag] = False
    """The socket never sends the terminal frame: only the detail knows."""
    odd_frames: Annotated[tuple[OddFrame, ...], values.many(values.one_of(*get_args(OddFrame)))] = ()
    """Frames nobody should have to expect, sent in the middle of the run: `odd_frames=not_json|binary`."""
    huge_bytes: Annotated[int, values.count] = 8 * 1024 * 1024
    """The size of the text in the `huge` frame."""
    finish_reason: Annotated[str, values.one_of("stop", "length", "content_filter", "error", "tool_calls")] = "stop"
    """Why a streamed answer ended, in gen-2."""

    answer_chunks: Annotated[int, values.count] = 0
    """A streamed answer comes in so many chunks of six characters; 0 is as it comes, a few words at a time."""
    answer_chunks_per_s: Annotated[int, values.count] = 50
    """How many of them come a second, at the pace of the real platform."""
    answer_slip: Annotated[bool, values.flag] = False
    """In the middle of a streamed answer the model takes back what it has just said."""
    answer_lists: Annotated[bool, values.flag] = False
    """gen-2 carries gen-1's lists (`thinking`, `answer`, in frames also `raw`) beside the segments."""
    answer_progress_only: Annotated[bool, values.flag] = False
    """Frames of a streamed answer carry no text; `isThinking` stays on to the last one."""
    answer_wrapper: Annotated[bool, values.flag] = False
    """The final answer is wrapped in `<answer>` tags, in the outputs and in `debugoutput`."""
    answer_in: Annotated[Literal["outputs", "log"], values.one_of("outputs", "log")] = "outputs"
    """Where the final answer is: in the outputs, or only in `debugoutput` with empty outputs."""
    answer_calls: Annotated[tuple[str, ...], values.many(values.one_of("function_call", "custom_tool_call"))] = ()
    """Tool calls at the end of an answer, in gen-2: `answer_calls=function_call|custom_tool_call`."""
    full_log: Annotated[Literal["text", "empty"] | None, values.one_of("text", "empty")] = None
    """What `task_output_full` and `task_error_full` carry: the log, or an empty message; by the dialect unless set."""

    # The course of the task.
    hold_at: Annotated[tuple[str, ...], values.many(values.stage_name)] = ()
    """Wait after each of these stages until released: `hold_at=task_queue|task_start`."""
    await_subscriber: Annotated[bool, values.flag] = False
    """Begin when the first socket has subscribed to the task: no frame is missed, and no clock is involved."""
    persisted_error: Annotated[Literal["", "recovers", "stays"], values.one_of("", "recovers", "stays")] = ""
    """The status becomes `task_error` before the run; then the task is queued again, or never moves on."""
    exit: Annotated[int, values.count] = 0
    """The exit code of the model; not 0 is a failure, with a traceback and without outputs."""

    # The record, as Task/Detail shows it.
    detail_lag_s: Annotated[float, values.seconds] = 0.0
    """The detail learns of the end so many real seconds after the terminal frame."""
    detail_lag_polls: Annotated[int, values.count] = 0
    """The detail learns of the end only after it was asked so many times since."""
    detail_empty_polls: Annotated[int, values.count] = 0
    """The first so many details answer with an empty `tasklist`."""
    pexit_missing: Annotated[bool, values.flag] = False
    """The detail has no `pexit` at all."""
    outputs: Annotated[OutputsShape, values.one_of(*get_args(OutputsShape))] = "list"
    """How outputs are shown: `holes` puts empty objects between them, `json` is one string."""
    outputs_early: Annotated[bool, values.flag] = False
    """While the task runs, the detail already lists outputs, at temporary addresses that answer 404."""
    stage_clock: Annotated[bool, values.flag] = True
    """Whether the detail has the time of each stage; without, only start and end."""
    timestamps: Annotated[Literal["s", "ms", "date"], values.one_of("s", "ms", "date")] = "s"
    """How times are written."""
    parameters_json: Annotated[bool, values.flag] = False
    """The echoed parameters are a string of JSON."""
    aliases: Annotated[bool, values.flag] = False
    """`taskid` and `output` instead of `id` and `outputs`."""

    # The calls.
    run_error: Annotated[Refusal | None, values.refusal] = None
    """Run answers with an error envelope: `run_error=97:Insufficient balance`, or by name: `run_error=team_limit`."""
    run_http: Annotated[HttpFault | None, values.http_fault] = None
    """Run's HTTP answer goes wrong: `run_http=502:html`, `run_http=drop`."""
    run_http_started: Annotated[bool | None, values.flag] = None
    """Whether the task was started all the same; by the kind of `run_http` unless set."""
    run_envelope: Annotated[Literal["flat", "data"], values.one_of("flat", "data")] = "flat"
    """`data` wraps Run's answer as some of the documents' samples have it."""
    sync_wait_s: Annotated[float, values.seconds] = 2400.0
    """How long `/Run/…/sync` of gen-2 waits before it answers 504. Only as the server's default."""
    run_taskid: Annotated[Literal["string", "number"], values.one_of("string", "number")] = "string"
    """How Run writes the task's id."""
    run_token_missing: Annotated[bool, values.flag] = False
    """Run's `socketaccesstoken` is null."""
    detail_http: Annotated[HttpFault | None, values.http_fault] = None
    """Detail's HTTP answer goes wrong: `detail_http=500*3`."""
    detail_error: Annotated[Refusal | None, values.refusal] = None
    """Detail answers with an error envelope."""
    retry_after_s: Annotated[int | None, values.count] = None
    """The `Retry-After` of wrong HTTP answers."""
    stop_http: Annotated[HttpFault | None, values.http_fault] = None
    """Cancel's and Kill's HTTP answer goes wrong."""
    cancel_by: Annotated[Literal["taskid", "tasktoken", "both"], values.one_of("taskid", "tasktoken", "both")] = (
        "taskid"
    )
    """What Cancel takes: production wants the id, gen-1's documents the token."""
    stop_gap: Annotated[Literal["neither", "cancel", "kill"], values.one_of("neither", "cancel", "kill")] = "kill"
    """Which call stops a task between accept and assign, where neither is clearly meant to."""
    kill_by: Annotated[Literal["id_or_socket", "any"], values.one_of("id_or_socket", "any")] = "id_or_socket"
    """What Kill takes: `any` also the `tasktoken` that older documents and one SDK send."""
    kill_error: Annotated[str, values.any_text] = ""
    """Kill is refused with this reason."""

    # The catalogue of models. Only as the server's default: its calls belong to no task.
    parameters: Annotated[Literal["groups", "null"], values.one_of("groups", "null")] = "groups"
    """Whether Tool/Detail has a model's inputs, or null in their place. Only as the server's default."""
    number_type: Annotated[
        Literal["number", "numeric", "integer", "float"], values.one_of("number", "numeric", "integer", "float")
    ] = "number"
    """How Tool/Detail names the type of an input that is a number. Only as the server's default."""
    option_values: Annotated[bool, values.flag] = True
    """Whether the options of a select have values in Tool/Detail, or labels alone. Only as the server's default."""
    dynamicprice: Annotated[Literal["json", "array", "object"], values.one_of("json", "array", "object")] = "array"
    """How Tool/Detail has the price; in Tool/List it is always a string of JSON. Only as the server's default."""

    # Bodies and the store of files. A body is read before its text is known: no directive inside it can say how.
    body_bytes_per_s: Annotated[int, values.count] = 0
    """How fast the body of a Run or of a file call is read, in real bytes a second; 0 is as fast as it comes."""
    body_stop: Annotated[BodyStop | None, values.body_stop] = None
    """
    The body of a Run or of a file call is read so far and no further: `body_stop=65536` answers 413 while the rest is
    on its way, `body_stop=65536:drop` cuts the connection.
    """
    boundaryless: Annotated[Literal["json", "refused"], values.one_of("json", "refused")] = "json"
    """
    How a JSON body under the header `multipart/form-data` without a boundary is treated, as the models' pages print it:
    read as JSON, or refused. Only as the server's default.
    """
    chunked: Annotated[Literal["accepted", "refused"], values.one_of("accepted", "refused")] = "accepted"
    """A body without a Content-Length is read, or refused with 411. Only as the server's default."""
    cors: Annotated[bool, values.flag] = True
    """Pages of other origins may call the API (CORS). Only as the server's default."""
    file_http: Annotated[HttpFault | None, values.http_fault] = None
    """The HTTP answer of File/Upload and File/FolderCreate goes wrong: `file_http=502:html`."""
    file_error: Annotated[Refusal | None, values.refusal] = None
    """
    File/Upload and File/FolderCreate answer with an error envelope: `file_error=0:invalid-parameters` is what one SDK
    saw with a project's key.
    """
    file_answer: Annotated[Literal["list", "samples", "data"], values.one_of("list", "samples", "data")] = "list"
    """
    How the file calls answer: as gen-2 has it, as gen-1's code samples have it (`isfolder`, no `url`), or with the new
    folder in `data`.
    """

    flaky: Annotated[float, values.share] = 0.0
    """
    The share of REST answers that become a 5xx or a broken connection, before or after the call took effect. Only as
    the server's default.
    """
    cut_share: Annotated[float, values.share] = 0.0
    """The share of frames after which their task's sockets are cut. Only as the server's default."""

    # The callback and the files.
    webhook: Annotated[WebhookShape, values.one_of(*get_args(WebhookShape))] = "tasklist"
    """The body of the callback: the whole envelope, the bare task, or `{taskid,status,outputs}`."""
    webhook_times: Annotated[int, values.count] = 1
    """How often the callback is sent."""
    webhook_early: Annotated[bool, values.flag] = False
    """The callback is sent before the terminal frame."""
    webhook_delay_s: Annotated[float, values.seconds] = 0.0
    """The callback is late by so many real seconds."""
    cdn_status: Annotated[int, values.count] = 200
    """What a file answers with: `cdn_status=403`."""
    cdn_delay_s: Annotated[float, values.seconds] = 0.0
    """A file's answer begins so many real seconds late."""
    cdn_expires_s: Annotated[float | None, values.seconds] = None
    """A file's address answers 403 so many real seconds after the task's end."""

    # Apikley alone; of the others it has those that docs/sandbox.md names.
    fail: Annotated[Refusal | None, values.refusal] = None
    """Apikley: the job fails with this code and message: `fail=500:The prompt was refused`."""
    code_as_status: Annotated[bool, values.flag] = False
    """Apikley: a refusal's code is its HTTP status too, and does not come under HTTP 200."""
    param_twice: Annotated[bool, values.flag] = False
    """Apikley: the record's `param` is escaped twice."""
    result: Annotated[Literal["urls", "object", "null"], values.one_of("urls", "object", "null")] = "urls"
    """Apikley: what the `resultJson` of a job that succeeded holds."""
    spelling: Annotated[Literal["apikley", "kie"], values.one_of("apikley", "kie")] = "apikley"
    """
    Apikley: which platform's page the record follows. kie's has `msg` instead of `message`, `costTime`,
    `creditsConsumed`, and null for absent values.
    """
    cost_time: Annotated[Literal["none", "ms", "s"] | None, values.one_of("none", "ms", "s")] = None
    """Apikley: the unit of the record's `costTime`, if it has one; by the spelling unless set."""
    credits: Annotated[str | None, values.one_of("creditsConsumed", "consumeCredits", "none")] = None
    """Apikley: by which name the record has its price, if at all; by the spelling unless set."""
    job_progress: Annotated[bool, values.flag] = False
    """Apikley: the record of a job that is generating has a `progress`."""
    signature: Annotated[Literal["good", "bad", "old", "none"], values.one_of("good", "bad", "old", "none")] = "good"
    """Apikley: how the callback is signed."""
    callback_id: Annotated[Literal["taskId", "task_id"], values.one_of("taskId", "task_id")] = "taskId"
    """Apikley: by which name the callback has the job's id."""

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
