"""Tests for Wiro's REST responses: envelopes, records in every variant, and inconclusive responses."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.events import Cost, Output, Stage
from relay.core.signals import Record
from relay.core.upstream import UpstreamTask
from relay.errors import UpstreamError, UpstreamRejected, UpstreamUnclear
from relay.providers.response import Response
from relay.providers.wiro.responses import confirm, parse_record, parse_run

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
RAN = {"errors": [], "taskid": "2221", "socketaccesstoken": "eDcCm5yyUfIvMFspTwww49OUfgXkQt", "result": True}
# The record that Wiro's own documentation of a model prints, without the fields that we do not read.
TASK: dict[str, Any] = {
    "id": "534574",
    "uuid": "15bce51f-442f-4f44-a71d-13c6374a62bd",
    "socketaccesstoken": "eDcCm5yyUfIvMFspTwww49OUfgXkQt",
    "parameters": {"inputImage": "https://api.wiro.ai/v1/File/x/inputImage.png"},
    "debugoutput": "10%|█| 1/10\n",
    "debugerror": "UserWarning\n",
    "createtime": "1734513807",
    "canceltime": "0",
    "accepttime": "1734513807",
    "preprocessstarttime": "1734513807",
    "preprocessendtime": "1734513807",
    "assigntime": "1734513808",
    "starttime": "1734513809",
    "endtime": "1734513813",
    "postprocessstarttime": "1734513813",
    "postprocessendtime": "1734513814",
    "elapsedseconds": "6.0000",
    "totalcost": "0.003510000000",
    "status": "task_postprocess_end",
    "pexit": "0",
    "outputs": [
        {
            "id": "6bc392c93856dfce3a7d1b4261e15af3",
            "name": "0.png",
            "contenttype": "image/png",
            "size": "202472",
            "accesskey": "dFKlMApaSgMeHKsJyaDeKrefcHahUK",
            "url": "https://cdn1.wiro.ai/6a6af820/0.png",
        }
    ],
}
PNG = Output(content_type="image/png", name="0.png", size=202472, url="https://cdn1.wiro.ai/6a6af820/0.png")


def answer(body: object, status: int = 200, content_type: str = "application/json") -> Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status=status, content_type=content_type, body=raw)


def detail_of(**fields: Any) -> Record:
    found = parse_record(answer({"result": True, "errors": [], "total": "1", "tasklist": [{**TASK, **fields}]}))
    assert found is not None
    return found


@pytest.mark.parametrize(
    "body",
    [RAN, {**RAN, "taskid": 2221}, {"data": RAN}, {"data": RAN, "result": True, "errors": []}],
    ids=["flat", "number", "data", "data beside an envelope"],
)
def test_a_run_gives_the_task_in_every_envelope(body: object) -> None:
    """At the top level, as the SDKs expect, or in `data`, as in some samples; the ID is a string or a number."""
    task = parse_run(answer(body))

    assert task == UpstreamTask(upstream_id="2221", socket_token=str(RAN["socketaccesstoken"]))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"result": True, "errors": []}, "without a task"),
        ({**RAN, "result": False, "errors": ["strange"]}, "refused the run but returned a task, 2221"),
        ([RAN], "with JSON that is not an object"),
        (b"", "with an empty body"),
        (b'{"taskid":"22', "with truncated or invalid JSON"),
    ],
)
def test_a_run_that_may_have_started_is_unclear(body: object, words: str) -> None:
    """The message names the problem; the run must not be sent again."""
    with pytest.raises(UpstreamUnclear, match=words):
        parse_run(answer(body))


@pytest.mark.parametrize(
    ("status", "content_type", "body", "detail"),
    [
        (200, "text/html", b"<html>secret", "Wiro answered HTTP 200 with text/html instead of JSON."),
        (502, "text/html", b"<html>secret", "Wiro answered HTTP 502 with text/html instead of JSON."),
        (503, "text/html", b"", "Wiro answered HTTP 503 with an empty body."),
        (504, "application/json", b"{}", "Wiro answered HTTP 504."),
        (500, "application/json", b'{"errors":["no disk"]}', "Wiro answered HTTP 500: no disk"),
        (408, "application/json", b"{}", "Wiro answered HTTP 408."),
        (200, "se<cret>", b"<html>", "Wiro answered HTTP 200 with something instead of JSON."),
        (302, "application/json", b"{}", "Wiro answered HTTP 302, a redirect: check WIRO_API_URL."),
    ],
)
def test_a_malformed_response_is_described_without_its_content(
    status: int, content_type: str, body: bytes, detail: str
) -> None:
    """The message names the kind of problem and never quotes the body."""
    with pytest.raises(UpstreamUnclear) as caught:
        parse_run(answer(body, status, content_type))

    assert caught.value.detail == detail


@pytest.mark.parametrize("status", [400, 403, 404, 413, 429])
def test_a_client_error_status_is_a_refusal(status: int) -> None:
    """HTML from a gateway with a 4xx status proves that the call was not processed."""
    with pytest.raises(UpstreamRejected, match=f"HTTP {status}"):
        parse_run(answer(b"<html>", status, "text/html"))


def test_a_finished_task_is_parsed_completely() -> None:
    """Every number is a string; stage times, cost and outputs are typed."""
    stages = {
        Stage.QUEUE: 1734513807.0,
        Stage.ACCEPT: 1734513807.0,
        Stage.PREPROCESS_START: 1734513807.0,
        Stage.PREPROCESS_END: 1734513807.0,
        Stage.ASSIGN: 1734513808.0,
        Stage.START: 1734513809.0,
        Stage.END: 1734513813.0,
        Stage.POSTPROCESS_START: 1734513813.0,
        Stage.POSTPROCESS_END: 1734513814.0,
    }

    assert detail_of() == Record(
        phase="finished",
        status="task_postprocess_end",
        stage=Stage.POSTPROCESS_END,
        upstream_id="534574",
        stages=stages,
        exit_code=0,
        outputs=(PNG,),
        cancel_at=None,
        ended_at=1734513814.0,
        elapsed_s=6.0,
        cost=Cost(amount=0.00351, unit="usd"),
        stdout="10%|█| 1/10\n",
        stderr="UserWarning\n",
    )


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        ("task_postprocess_end", "finished"),
        ("TASK_POSTPROCESS_END", "finished"),
        (" Task Postprocess-End ", "finished"),
        ("task_cancel", "canceled"),
        ("task_cancelled", "canceled"),
        ("task_killed", "canceled"),
        ("task_error", "error"),
        ("task_end", "open"),
        ("task_queue", "open"),
        ("task_output", "open"),
        ("task_teleport", "open"),
        (None, "open"),
    ],
)
def test_a_status_becomes_a_phase_and_an_unknown_one_is_open(status: str | None, phase: str) -> None:
    """Only two statuses end a task; `task_end` precedes the outputs, and `task_error` is recoverable."""
    found = detail_of(status=status)

    assert (found.phase, found.status) == (phase, (status or "").strip())


@pytest.mark.parametrize(
    ("pexit", "exit_code"), [("0", 0), (0, 0), ("1", 1), (-9, -9), ("", None), (None, None), ("killed", None)]
)
def test_a_missing_exit_code_is_null(pexit: object, exit_code: int | None) -> None:
    """It is null or empty before the end, and a string or a number afterwards."""
    assert detail_of(pexit=pexit).exit_code == exit_code


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("1734513809", 1734513809.0),
        (1734513809, 1734513809.0),
        ("1734513809500", 1734513809.5),
        ("2024-12-18 09:23:29", 1734513809.0),
        ("0", None),
        (0, None),
        ("0000-00-00 00:00:00", None),
        ("", None),
        (None, None),
        ("soon", None),
    ],
)
def test_a_time_is_read_in_every_spelling(written: object, at: float | None) -> None:
    """Seconds, milliseconds, a date in UTC; zero means that the stage was not reached."""
    assert detail_of(starttime=written).stages.get(Stage.START) == at


@pytest.mark.parametrize(
    "fields",
    [
        {"outputs": None},
        {"outputs": []},
        {"outputs": "[]"},
        {"outputs": [{}, {}]},
        {"outputs": ""},
        {"outputs": {}},
        {"outputs": "[half"},
    ],
)
def test_empty_outputs_are_left_out(fields: dict[str, Any]) -> None:
    """Null, empty lists, empty entries and truncated JSON all occur before the end."""
    assert detail_of(**fields).outputs == ()


@pytest.mark.parametrize(
    "fields",
    [
        {"outputs": json.dumps(TASK["outputs"])},
        {"outputs": [{}, *TASK["outputs"]]},
        {"outputs": None, "output": TASK["outputs"]},
        {"outputs": [{**TASK["outputs"][0], "contenttype": "IMAGE/PNG", "size": 202472}]},
        {"outputs": [{key: value for key, value in TASK["outputs"][0].items() if key != "contenttype"}]},
    ],
    ids=["JSON in a string", "beside an empty entry", "alias", "case and number", "type from the name"],
)
def test_the_same_output_is_read_in_every_spelling(fields: dict[str, Any]) -> None:
    """Lists and strings, both names of the field, any case, and no type at all."""
    assert detail_of(**fields).outputs == (PNG,)


@pytest.mark.parametrize(
    ("entry", "output"),
    [
        (
            {"url": "http://127.0.0.1/out/pic.png?X=1"},
            Output(content_type="image/png", name="pic.png", url="http://127.0.0.1/out/pic.png?X=1"),
        ),
        (
            {"name": "x", "url": "http://127.0.0.1/v.mp4"},
            Output(content_type="video/mp4", name="x", url="http://127.0.0.1/v.mp4"),
        ),
        (
            {"name": "a", "contenttype": "png", "url": "http://127.0.0.1/a"},
            Output(content_type="image/png", name="a", url="http://127.0.0.1/a"),
        ),
        (
            "http://127.0.0.1/plain.png",
            Output(content_type="image/png", name="plain.png", url="http://127.0.0.1/plain.png"),
        ),
        (
            {"url": "//cdn.example.com/g.webp"},
            Output(content_type="image/webp", name="g.webp", url="https://cdn.example.com/g.webp"),
        ),
        (
            {"contenttype": "raw", "content": {"segments": [{"type": "answer", "text": "<answer>Hi</answer>"}]}},
            Output(content_type="raw", content={"segments": [{"type": "answer", "text": "Hi"}]}),
        ),
    ],
)
def test_the_url_determines_a_missing_content_type(entry: object, output: Output) -> None:
    """No type, an extension, a bare URL, a URL without a scheme, an answer in segments: all are kept."""
    assert detail_of(outputs=[entry]).outputs == (output,)


def test_a_url_that_is_not_http_is_left_out() -> None:
    """Pages link to outputs, so a `javascript:` URL must not reach them."""
    (output,) = detail_of(outputs=[{"name": "0.png", "url": "javascript:alert(1)"}]).outputs

    assert output.url is None


@pytest.mark.parametrize(
    ("reason", "warned"),
    [("stop", 0), ("tool_calls", 0), ("length", 1), ("content_filter", 1), ("error", 1), (None, 0)],
)
def test_a_truncated_answer_has_a_warning(reason: str | None, warned: int) -> None:
    """The run may have succeeded although the answer is incomplete."""
    content = {"raw": "x", "thinking": [], "answer": ["x"], "finishreason": reason}

    found = detail_of(outputs=[{"contenttype": "RAW", "content": {"prompt": "?", **content}}])

    assert found.outputs == (Output(content_type="raw", content=content),)
    assert len(found.warnings) == warned


def test_a_malformed_unused_field_is_ignored() -> None:
    """`parameters` may be an object, JSON in a string, or neither."""
    assert detail_of(parameters='{"half', categories='["tool"') == detail_of()


def test_a_canceled_task_ended_when_it_was_canceled() -> None:
    """If that time is missing, as in Wiro's sample, the end of the process is used."""
    assert detail_of(status="task_cancel", canceltime="1734513810").ended_at == 1734513810.0
    assert detail_of(status="task_cancel").ended_at == 1734513814.0
    assert detail_of(status="task_start").ended_at is None


@pytest.mark.parametrize(
    "body",
    [
        {"result": True, "errors": [], "total": "0", "tasklist": []},
        {"result": True, "errors": [], "tasklist": None},
        {"result": True, "errors": [], "tasklist": [{}]},
        {"result": False, "errors": [{"code": 1, "message": "There is no task yet."}]},
        {"result": False, "errors": ["task-not-founded"]},
        {"result": False, "errors": [{"code": "task-not-exist"}]},
    ],
)
def test_a_task_that_wiro_does_not_have_yet_is_null(body: object) -> None:
    """Right after a run the list is empty; three messages mean that there is no task."""
    assert parse_record(answer(body)) is None


@pytest.mark.parametrize(
    "body", [{"data": {"tasklist": [TASK], "result": True}}, {"data": TASK, "result": True}, {"tasklist": TASK}]
)
def test_a_record_is_found_in_every_envelope(body: object) -> None:
    """In `data`, as the task itself, or as one object instead of a list."""
    assert parse_record(answer(body)) == detail_of()


def test_a_refused_read_does_not_mean_that_there_is_no_record() -> None:
    """With an invalid key, for example, the task may still run."""
    with pytest.raises(UpstreamRejected, match="check WIRO_API_KEY"):
        parse_record(answer({"result": False, "errors": ["Project authorization is not founded."]}, 401))


def test_a_record_without_a_list_is_unclear() -> None:
    """A response without a task is not mistaken for "no task yet"."""
    with pytest.raises(UpstreamUnclear, match="without a task list"):
        parse_record(answer({"result": True, "errors": []}))


def test_a_call_is_confirmed_by_its_result_alone() -> None:
    """Only the result of a cancel, kill or list call matters, so an unrelated record cannot mislead."""
    confirm(answer({"errors": [], "tasklist": [TASK], "result": "1"}))
    with pytest.raises(UpstreamUnclear, match="without a result"):
        confirm(answer({}))
    with pytest.raises(UpstreamRejected, match="cancellable"):
        confirm(answer({"result": False, "errors": [{"code": 1, "message": "Task is not in a cancellable state."}]}))


def test_a_socket_token_is_in_no_repr() -> None:
    """Neither the response nor the task shows it."""
    token = str(RAN["socketaccesstoken"])

    assert token not in repr(answer(RAN))
    assert token not in repr(parse_run(answer(RAN)))


@given(JSON | st.fixed_dictionaries({}, optional=dict.fromkeys((*RAN, "tasklist", "data", "status"), JSON)))
def test_any_response_is_parsed_or_raises_a_documented_error(body: object) -> None:
    """For any envelope, only `UpstreamRejected` or `UpstreamUnclear` is raised."""
    for read in (parse_run, parse_record, confirm):
        with suppress(UpstreamError):
            read(answer(body))


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(TASK, JSON | JSON.map(json.dumps))))
def test_any_record_is_read(task: dict[str, object]) -> None:
    """For any field values; what cannot be parsed is null, empty or open."""
    found = parse_record(answer({"tasklist": [task]}))

    assert (found is None) == (not task)


@pytest.mark.parametrize("token", [" ", "", None])
def test_a_run_without_a_socket_token_is_a_task_all_the_same(token: str | None) -> None:
    """It cannot be followed live, but it is billed, and its record can be read."""
    assert parse_run(answer({**RAN, "socketaccesstoken": token})) == UpstreamTask(upstream_id="2221", socket_token=None)
