"""
Every way in which the sandbox can be made to misbehave.

One field is one switch. Its docstring is its row in the table of docs/sandbox.md, and its type determines how its value
is parsed. A switch is set as `name=value`: in a directive inside any text input (`[sandbox: exit=1]`), through
`POST /sandbox/faults` for the next Run, or as the server's default. The modules of each platform carry them out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal, get_type_hints

from relay.errors import ConfigError
from relay.sandbox.switches.parse import Parser, parser_for, share
from relay.sandbox.switches.values import BodyStop, Close, Dialect, HttpFault, OddFrame, Refusal, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """The value of every switch. The defaults simulate platforms that work correctly."""

    # The task socket.
    dialect: Dialect | None = None
    """The generation of Wiro's documentation that the task's frames follow. Default: the server's."""
    welcome: bool = True
    """Send a `connected` frame on each new connection. Server default only, because no task is known yet."""
    ack: bool = False
    """Answer `task_info` with a `task_subscribed` frame, which Wiro documents for agents only."""
    unknown_subscription: Literal["silent", "error", "close"] = "silent"
    """The response to an unknown token: none, an error frame, or close code 1008. Server default only."""
    tasktoken_missing: bool = False
    """Leave the token and the id out of frames, so that only the connection identifies the task."""
    result_missing: bool = False
    """Leave `result` out of frames."""
    null_message: Literal["null", "empty", "absent"] | None = None
    """How a frame without a message represents it: null, an empty string, or no field. Default: as in the dialect."""
    verdict_fields: Literal["all", "terminal", "none"] = "all"
    """Which gen-2 frames have `success`, `terminal` and `exitCode`. Wiro's table and its samples disagree."""
    message_json_string: bool = False
    """Send every object message as a JSON string."""
    preprocess_skipped: bool = False
    """Skip the optional preprocessing stages."""
    stage_order: Literal["old", "new"] | None = None
    """`old` sends `task_assign` before preprocessing, `new` after it. Default: as in the dialect."""
    tqdm: bool = False
    """Send progress as tqdm text with carriage returns instead of objects."""
    percentages: tuple[str, ...] = ()
    """Raw percentages to send in turn, repeatedly: `percentages=100|0|NaN||>100`."""
    stderr_lines: int | None = None
    """The number of lines that the model writes to stderr. Default: 0 to 2, depending on the seed."""
    duplicate_every: int = 0
    """Send every n-th frame twice; 0 disables this."""
    reorder_every: int = 0
    """Send every n-th frame after the one that follows it; 0 disables this."""
    straggler: bool = False
    """Send one more log frame after the terminal frame."""
    early_close: Close | None = None
    """Close the task's sockets once, after a stage: `early_close=task_start:1006`."""
    silent: bool = False
    """Send no frames for the task."""
    no_terminal: bool = False
    """Do not send the terminal frame; only Task/Detail shows the end."""
    odd_frames: tuple[OddFrame, ...] = ()
    """Malformed or unexpected frames to send in the middle of the run: `odd_frames=not_json|binary`."""
    huge_bytes: int = 8 * 1024 * 1024
    """The size in bytes of the text in the `huge` frame."""
    finish_reason: Literal["stop", "length", "content_filter", "error", "tool_calls"] = "stop"
    """Why a streamed answer ended, in gen-2."""

    # Answers of language models.
    answer_chunks: int = 0
    """Stream an answer in this many chunks of six characters; 0 streams a few words at a time."""
    answer_chunks_per_s: int = 50
    """Chunks per second at `speed` 1."""
    answer_slip: bool = False
    """In the middle of a streamed answer, send words that the next frame takes back."""
    answer_lists: bool = False
    """In gen-2, add the lists of gen-1 (`thinking`, `answer`, in frames also `raw`) to the segments."""
    answer_progress_only: bool = False
    """Leave the text out of the frames of a streamed answer; `isThinking` stays true until the last one."""
    answer_wrapper: bool = False
    """Wrap the final answer in `<answer>` tags, in the outputs and in `debugoutput`."""
    answer_in: Literal["outputs", "log"] = "outputs"
    """Where the final answer is: in the outputs, or only in `debugoutput` with empty outputs."""
    answer_calls: tuple[Literal["function_call", "custom_tool_call"], ...] = ()
    """Tool calls at the end of an answer, in gen-2: `answer_calls=function_call|custom_tool_call`."""
    full_log: Literal["text", "empty"] | None = None
    """What `task_output_full` and `task_error_full` carry: the log, or an empty message. Default: as in the dialect."""

    # The course of a task.
    hold_at: tuple[Stage, ...] = ()
    """Pause after each of these stages until released: `hold_at=task_queue|task_start`."""
    await_subscriber: bool = False
    """Start the task when the first socket subscribes to it, so that the client receives every frame."""
    persisted_error: Literal["", "recovers", "stays"] = ""
    """Set the status to `task_error` before the run; `recovers` then queues the task again, `stays` leaves it."""
    exit: int = 0
    """The exit code of the model. Any value other than 0 is a failure with a traceback and no outputs."""

    # The record in Task/Detail.
    detail_lag_s: float = 0.0
    """Seconds after the terminal frame until Task/Detail shows the end."""
    detail_lag_polls: int = 0
    """The number of Task/Detail calls after the end that still show the state before it."""
    detail_empty_polls: int = 0
    """The number of first Task/Detail calls that return an empty `tasklist`."""
    pexit_missing: bool = False
    """Leave `pexit` out of Task/Detail."""
    outputs: Literal["list", "null", "empty", "holes", "json"] = "list"
    """The form of the outputs: a list, null, an empty list, a list with empty objects (`holes`), or a JSON string."""
    outputs_early: bool = False
    """While the task runs, list outputs at temporary addresses that return 404."""
    stage_clock: bool = True
    """Include the time of each stage in Task/Detail; otherwise only start and end."""
    timestamps: Literal["s", "ms", "date"] = "s"
    """The format of times: Unix seconds, Unix milliseconds, or `2024-12-18 09:23:29`."""
    parameters_json: bool = False
    """Return the parameters as a JSON string."""
    aliases: bool = False
    """Use `taskid` and `output` instead of `id` and `outputs`."""

    # Calls about tasks.
    run_error: Refusal | None = None
    """Answer Run with an error envelope: `run_error=97:Insufficient balance`, or by name: `run_error=team_limit`."""
    run_http: HttpFault | None = None
    """Answer Run with an HTTP fault: `run_http=502:html`, `run_http=drop`."""
    run_http_started: bool | None = None
    """Whether a Run with an HTTP fault starts its task. Default: depends on the kind of `run_http`."""
    run_envelope: Literal["flat", "data"] = "flat"
    """`data` wraps the response of Run in `data`, as some of Wiro's samples do."""
    sync_wait_s: float = 2400.0
    """Seconds until `/Run/…/sync` of gen-2 returns 504. Server default only."""
    run_taskid: Literal["string", "number"] = "string"
    """The JSON type of the task id in the response of Run."""
    run_token_missing: bool = False
    """Return null as `socketaccesstoken` from Run."""
    detail_http: HttpFault | None = None
    """Answer Task/Detail with an HTTP fault: `detail_http=500*3`."""
    detail_error: Refusal | None = None
    """Answer Task/Detail with an error envelope."""
    retry_after_s: int | None = None
    """The `Retry-After` header of HTTP faults, in seconds."""
    stop_http: HttpFault | None = None
    """Answer Cancel and Kill with an HTTP fault."""
    cancel_by: Literal["taskid", "tasktoken", "both"] = "taskid"
    """Which parameter Cancel accepts: production requires the id, gen-1's documentation the token."""
    stop_gap: Literal["neither", "cancel", "kill"] = "kill"
    """Which call stops a task between accept and assign, a case that the documentation leaves open."""
    kill_by: Literal["id_or_socket", "any"] = "id_or_socket"
    """Which parameters Kill accepts: `any` adds the `tasktoken` that older documentation and one SDK use."""
    kill_error: str = ""
    """Refuse Kill with this reason."""

    # The catalogue of models.
    parameters: Literal["groups", "null"] = "groups"
    """Whether Tool/Detail returns a model's inputs or null. Server default only."""
    number_type: Literal["number", "numeric", "integer", "float"] = "number"
    """The type name of numeric inputs in Tool/Detail. Server default only."""
    option_values: bool = True
    """Whether the options of a select have values in Tool/Detail, or only labels. Server default only."""
    dynamicprice: Literal["json", "array", "object"] = "array"
    """The form of the price in Tool/Detail; in Tool/List it is always a JSON string. Server default only."""

    # Request bodies and the file API.
    body_bytes_per_s: int = 0
    """The rate at which the body of a Run or a file call is read, in bytes per second; 0 is unlimited."""
    body_stop: BodyStop | None = None
    """
    Stop reading the body of a Run or a file call: `body_stop=65536` returns 413 after 65536 bytes while the client is
    still sending, `body_stop=65536:drop` closes the connection.
    """
    boundaryless: Literal["json", "refused"] = "json"
    """
    How to treat a JSON body with the header `multipart/form-data` and no boundary, which the models' pages print: read
    it as JSON, or refuse it. Server default only.
    """
    chunked: Literal["accepted", "refused"] = "accepted"
    """Whether a body without Content-Length is read or refused with 411. Server default only."""
    cors: bool = True
    """Allow pages of other origins to call the API (CORS). Server default only."""
    file_http: HttpFault | None = None
    """Answer File/Upload and File/FolderCreate with an HTTP fault: `file_http=502:html`."""
    file_error: Refusal | None = None
    """
    Answer File/Upload and File/FolderCreate with an error envelope: one SDK received `file_error=0:invalid-parameters`
    with a project's key.
    """
    file_answer: Literal["list", "samples", "data"] = "list"
    """
    The form of file responses: as in gen-2, as in gen-1's code samples (`isfolder`, no `url`), or with the new folder
    in `data`.
    """

    # Random faults.
    flaky: Annotated[float, share] = 0.0
    """
    The share of REST calls that fail at random with a 5xx status or a closed connection, before or after the call takes
    effect. Server default only.
    """
    cut_share: Annotated[float, share] = 0.0
    """The share of frames after which the task's sockets are cut. Server default only."""

    # Callbacks and output files.
    webhook: Literal["tasklist", "task", "status", "none"] = "tasklist"
    """The body of the callback: the whole envelope, the bare task, or `{taskid,status,outputs}`; `none` sends none."""
    webhook_times: int = 1
    """How many times the callback is sent."""
    webhook_early: bool = False
    """Send the callback before the terminal frame."""
    webhook_delay_s: float = 0.0
    """Delay of the callback, in seconds."""
    cdn_status: int = 200
    """The HTTP status of output files: `cdn_status=403`."""
    cdn_delay_s: float = 0.0
    """Delay of the response to a file request, in seconds."""
    cdn_expires_s: float | None = None
    """Seconds after the end of the task when its files start to return 403."""
    cdn_misses: int = 0
    """The number of first requests for each output file that return 404."""
    cdn_breaks: int = 0
    """The number of responses with each output file that break off in the middle."""
    cdn_bytes: int = 0
    """The size of output files in bytes: zeros follow the picture or the video. 0 adds none."""
    cdn_bytes_per_s: int = 0
    """The rate at which output files are sent, in bytes per second; 0 is unlimited."""

    # Apikley only. docs/sandbox.md lists the switches above that also work for Apikley.
    fail: Refusal | None = None
    """Apikley: fail the job with this code and message: `fail=500:The prompt was refused`."""
    code_as_status: bool = False
    """Apikley: use an error's code as the HTTP status too, instead of 200."""
    param_twice: bool = False
    """Apikley: encode the record's `param` as JSON twice."""
    result: Literal["urls", "object", "null"] = "urls"
    """Apikley: what the `resultJson` of a successful job contains."""
    spelling: Literal["apikley", "kie"] = "apikley"
    """
    Apikley: whose documentation the record follows. kie's has `msg` instead of `message`, `costTime`,
    `creditsConsumed`, and null for absent values.
    """
    cost_time: Literal["none", "ms", "s"] | None = None
    """Apikley: the unit of `costTime` in the record, or `none` to leave it out. Default: depends on `spelling`."""
    credits: Literal["creditsConsumed", "consumeCredits", "none"] | None = None
    """Apikley: the name of the price in the record, or `none` to leave it out. Default: depends on `spelling`."""
    job_progress: bool = False
    """Apikley: add `progress` to the record of a job that is generating."""
    signature: Literal["good", "bad", "old", "none"] = "good"
    """Apikley: how the callback is signed."""
    callback_id: Literal["taskId", "task_id"] = "taskId"
    """Apikley: the name of the job's id in the callback."""

    def with_switches(self, switches: Mapping[str, str]) -> "Faults":
        """
        Return a copy with some switches set, given as text.

        Raises:
            ConfigError: a switch is unknown, or its value is invalid.
        """
        changes: dict[str, object] = {}
        for name, value in switches.items():
            if name not in _PARSERS:
                raise ConfigError(f"sandbox: unknown switch {name!r}")
            try:
                changes[name] = _PARSERS[name](value.strip())
            except ValueError as error:
                raise ConfigError(f"sandbox: {name} must be {error}, not {value.strip()!r}") from error
        return replace(self, **changes) if changes else self  # type: ignore[arg-type]


_PARSERS: dict[str, Parser] = {
    name: parser_for(type_) for name, type_ in get_type_hints(Faults, include_extras=True).items()
}
