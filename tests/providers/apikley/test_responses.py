"""Tests for Apikley's responses: records in every format, and the error for each refusal."""

import orjson
import pytest

from relay.core.events import Cost, Fault, Output, Progress, Stage
from relay.core.upstream import UpstreamTask
from relay.errors import Code, UpstreamRejected, UpstreamUnclear
from relay.providers.apikley.responses import confirm, parse_create, parse_record
from relay.providers.response import Response

MADE, CHANGED, ENDED = 1_765_176_547_151, 1_765_176_549_000, 1_765_176_560_651
RECORD = {
    "taskId": "task_bytedance_1",
    "model": "bytedance/seedream-v4-text-to-image",
    "state": "success",
    "param": '{"model":"bytedance/seedream-v4-text-to-image"}',
    "resultJson": '{"resultUrls":["https://cdn.example/a/0.png","https://cdn.example/a/film.mp4?x=1"]}',
    "failCode": "",
    "failMsg": "",
    "costTime": 13,
    "completeTime": ENDED,
    "createTime": MADE,
    "updateTime": CHANGED,
    "creditsConsumed": 5,
}


def answer(body: object, status: int = 200, content_type: str = "application/json") -> Response:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return Response(status=status, content_type=content_type, body=raw)


def record(**changes: object) -> Response:
    return answer({"code": 200, "msg": "success", "data": RECORD | changes})


def test_a_successful_job_is_parsed_completely() -> None:
    """Stages, results with types by their extensions, price, and duration."""
    detail = parse_record(record())

    assert detail is not None
    assert (detail.phase, detail.status, detail.upstream_id) == ("succeeded", "success", "task_bytedance_1")
    assert detail.model == "bytedance/seedream-v4-text-to-image"
    assert detail.stages == {Stage.QUEUE: MADE / 1000, Stage.END: ENDED / 1000, Stage.POSTPROCESS_END: ENDED / 1000}
    assert detail.outputs == (
        Output(content_type="image/png", name="0.png", url="https://cdn.example/a/0.png"),
        Output(content_type="video/mp4", name="film.mp4", url="https://cdn.example/a/film.mp4?x=1"),
    )
    assert detail.cost == Cost(amount=5.0, unit="credits")
    assert detail.ended_at == ENDED / 1000
    assert detail.elapsed_s == pytest.approx(13.5)
    assert (detail.fault, detail.warnings) == (None, ())


@pytest.mark.parametrize(
    ("state", "stages"),
    [
        ("waiting", {Stage.QUEUE: MADE / 1000}),
        ("queuing", {Stage.QUEUE: MADE / 1000}),
        ("generating", {Stage.QUEUE: MADE / 1000, Stage.START: CHANGED / 1000}),
        ("brand-new-state", {Stage.QUEUE: MADE / 1000}),
    ],
)
def test_a_job_that_has_not_ended_is_open(state: str, stages: dict[Stage, float]) -> None:
    """With any other fields in its record; an unknown state does not end it."""
    detail = parse_record(record(state=state, resultJson="", completeTime=None, creditsConsumed=0))

    assert detail is not None
    assert (detail.phase, detail.status, detail.stages) == ("open", state, stages)
    assert (detail.stage is None) is (state == "brand-new-state")
    assert (detail.outputs, detail.cost, detail.ended_at, detail.elapsed_s) == ((), None, None, None)


ENDS: dict[str, tuple[object, ...]] = {
    "succeeded": (
        *("success", "SUCCESS", "succeeded", "Successful", "complete", "Completed", "done", "finished", "1", 1),
        *("task_completed", "JobSucceeded", "GENERATE_SUCCESS", "generation-finished"),
    ),
    "failed": (
        *("fail", "failed", "FAILED", "failure", "error", "errored", "expired", "timeout", "timed_out", "Timed Out"),
        *("timed-out", "timedOut", "rejected", "GENERATE_FAILED", "create_task_failed", "SENSITIVE_WORD_ERROR"),
        *("2", 3, " failed ", "content_rejected", "task_failed", "JobExpired"),
    ),
    "canceled": ("canceled", "cancelled", "CANCELED", "cancel", "aborted"),
}


@pytest.mark.parametrize(("phase", "state"), [(phase, state) for phase, states in ENDS.items() for state in states])
def test_every_final_state_ends_the_task(phase: str, state: object) -> None:
    """Its reason and its results are then parsed."""
    detail = parse_record(record(state=state, failMsg="The prompt was refused"))

    assert detail is not None
    assert (detail.phase, detail.ended_at) == (phase, ENDED / 1000)
    assert (detail.fault is not None and detail.fault.message == "The prompt was refused") is (phase == "failed")
    assert len(detail.outputs) == (2 if phase == "succeeded" else 0)
    assert (Stage.POSTPROCESS_END in detail.stages) is (phase == "succeeded")


@pytest.mark.parametrize(
    "state",
    [
        "FIRST_SUCCESS",
        "TEXT_SUCCESS",
        "cancelling",
        "not_completed",
        "no error",
        "retrying_after_error",
        "0",
        0,
        "7",
        "task",
        "job_started",
    ],
)
def test_a_similar_state_does_not_end_the_task(state: object) -> None:
    """A task that ends too early loses its result; an open one is polled again."""
    detail = parse_record(record(state=state))

    assert detail is not None
    assert detail.phase == "open"


@pytest.mark.parametrize("flag", [1, "1"])
def test_a_state_may_be_a_number(flag: object) -> None:
    """kie.ai's Veo API does this, with results in `response` and other names for the reasons."""
    video = {"taskId": "veo_1", "successFlag": flag, "createTime": MADE, "completeTime": ENDED}
    found = {"response": {"resultUrls": ["https://x/0.mp4"], "originUrls": ["https://x/1.mp4"]}}
    detail = parse_record(answer({"code": 200, "data": video | found}))
    failed = parse_record(answer({"code": 200, "data": video | {"successFlag": 2, "errorMessage": "Refused"}}))
    runs = parse_record(answer({"code": 200, "data": video | {"successFlag": 0, "completeTime": None}}))

    assert detail is not None
    assert (detail.phase, [output.url for output in detail.outputs]) == ("succeeded", ["https://x/0.mp4"])
    assert failed is not None
    assert failed.fault == Fault(code=None, message="Refused")
    assert runs is not None
    assert runs.phase == "open"


@pytest.mark.parametrize("name", ["resultUrls", "result_urls", "urls", "videoUrl", "response", "output"])
def test_results_may_be_in_other_fields(name: str) -> None:
    """They are used if `resultJson` has none."""
    detail = parse_record(record(**{"resultJson": "", name: ["https://x/0.mp4"]}))

    assert detail is not None
    assert [output.url for output in detail.outputs] == ["https://x/0.mp4"]


@pytest.mark.parametrize("percent", [150, -1, "NaN", "Infinity", ">100"])
def test_an_invalid_percentage_is_dropped(percent: object) -> None:
    """It is treated as missing."""
    detail = parse_record(record(state="generating", progress=percent))

    assert detail is not None
    assert detail.progress is None


@pytest.mark.parametrize("code", [200, 501])
def test_a_failed_job_has_its_reason(code: int) -> None:
    """Its record is also accepted with the job's code in the envelope."""
    failed = {"state": "fail", "failCode": "430", "failMsg": "Refused", "resultJson": None, "creditsConsumed": None}
    detail = parse_record(answer({"code": code, "msg": "Playground task failed.", "data": RECORD | failed}))

    assert detail is not None
    assert (detail.phase, detail.fault, detail.outputs) == ("failed", Fault(code=430, message="Refused"), ())
    assert detail.cost is None
    assert Stage.POSTPROCESS_END not in detail.stages


def test_a_failure_without_a_reason_says_so() -> None:
    """An empty reason counts as missing."""
    detail = parse_record(record(state="fail", failCode="", failMsg=None))

    assert detail is not None
    assert detail.fault == Fault(code=None, message="Apikley gave no reason.")


@pytest.mark.parametrize(
    ("result", "outputs"),
    [
        (
            '{"resultObject":{"text":"Hi"}}',
            (Output(content_type="raw", content={"text": "Hi", "answer": ["Hi"]}),),
        ),
        ('{"result_urls":["https://x/0.webp"]}', ("image/webp",)),
        ('["https://x/0.webp"]', ("image/webp",)),
        (["https://x/0.webp", {"url": "https://x/1.mp4"}], ("image/webp", "video/mp4")),
        ("https://x/0.webp", ("image/webp",)),
        ({"videoUrl": "https://x/0.mp4"}, ("video/mp4",)),
        ({"urls": ["//x.example/0.mp4"]}, ("video/mp4",)),
        ({"resultUrls": '["https://x/0.mp4"]', "originUrls": ["https://x/1.mp4"]}, ("video/mp4",)),
        ({"resultUrls": [], "videoUrl": "https://x/0.mp4"}, ("video/mp4",)),
        ({"images": [{"url": "https://x/0", "content_type": "image/png"}]}, ("image/png",)),
        ({"resultUrls": ["https://x/a?filename=0.webp"]}, ("image/webp",)),
        ("A cat sat there.", (Output(content_type="raw", content={"raw": "A cat sat there."}),)),
        ({"resultUrls": ["https://x/0.webp"]}, ("image/webp",)),
        (orjson.dumps('{"resultUrls":["https://x/0.jpg"]}').decode(), ("image/jpeg",)),
        ('{"resultUrls":"https://x/unnamed"}', ("application/octet-stream",)),
        ('{"resultUrls":["javascript:alert(1)", null, 7]}', ()),
        ('{"resultUrls":null}', ()),
        ("", ()),
        (None, ()),
        ("{broken", ()),
    ],
)
def test_results_are_parsed_in_every_format(result: object, outputs: tuple[object, ...]) -> None:
    """An object or JSON, encoded once or twice; values that are not URLs are left out."""
    detail = parse_record(record(resultJson=result))

    assert detail is not None
    assert (
        tuple(o if isinstance(outputs[i], Output) else o.content_type for i, o in enumerate(detail.outputs)) == outputs
    )


def test_progress_is_only_what_the_platform_reports() -> None:
    """Nothing is estimated, and an ended job has no progress."""
    assert [
        found.progress if (found := parse_record(record(state=state, progress=said))) else None
        for state, said in (("generating", 42), ("generating", "7.5"), ("generating", None), ("success", 100))
    ] == [Progress(percent=42.0), Progress(percent=7.5), None, None]


def test_the_older_name_of_the_price_is_accepted() -> None:
    """A negative price is ignored."""
    older = {name: value for name, value in RECORD.items() if name != "creditsConsumed"} | {"consumeCredits": "2.5"}
    found = parse_record(answer({"code": 200, "data": older}))
    negative = parse_record(record(creditsConsumed=-1))

    assert found is not None
    assert found.cost == Cost(amount=2.5, unit="credits")
    assert negative is not None
    assert negative.cost is None


@pytest.mark.parametrize(
    "body",
    [
        {"code": 422, "msg": "recordInfo is null", "data": None},
        {"code": 422, "message": "The recordInfo is null.", "data": {}},
        {"code": 200, "msg": "success", "data": None},
    ],
    ids=str,
)
def test_no_record_yet_is_null(body: object) -> None:
    """The record does not exist for a moment after the creation of a job."""
    assert parse_record(answer(body)) is None


def test_a_created_job_is_identified() -> None:
    """The response is the documented one."""
    made = parse_create(answer({"code": 200, "msg": "success", "data": {"taskId": "task_bytedance_1765176547151"}}))

    assert made == UpstreamTask(upstream_id="task_bytedance_1765176547151", socket_token=None)


@pytest.mark.parametrize("status", [200, None], ids=["under HTTP 200", "as HTTP status"])
@pytest.mark.parametrize(
    ("code", "ours", "field"),
    [
        (400, Code.INVALID_INPUT, "input"),
        (401, Code.UPSTREAM_REJECTED, None),
        (402, Code.INSUFFICIENT_BALANCE, None),
        (404, Code.UPSTREAM_REJECTED, None),
        (422, Code.INVALID_INPUT, "input"),
        (429, Code.RATE_LIMITED, None),
        (433, Code.UPSTREAM_REJECTED, None),
        (455, Code.UPSTREAM_UNAVAILABLE, None),
        (501, Code.UPSTREAM_REJECTED, None),
        (505, Code.UPSTREAM_REJECTED, None),
    ],
)
def test_each_refusal_has_a_problem_code(status: int | None, code: int, ours: Code, field: str | None) -> None:
    """Nothing was started, and Apikley's code and message are kept."""
    with pytest.raises(UpstreamRejected) as caught:
        parse_create(answer({"code": code, "msg": "Why", "data": None}, status or code))

    error = caught.value
    assert error.code is ours
    assert error.fault is not None
    assert (error.fault.code, error.fault.message) == (code, "Why")
    assert [wrong.field for wrong in error.fields] == ([field] if field else [])
    assert error.detail.endswith(": Why")


def test_a_rejected_model_is_named() -> None:
    """The caller learns which field to correct."""
    with pytest.raises(UpstreamRejected) as caught:
        parse_create(answer({"code": 422, "msg": "The model name you specified is not supported"}))

    assert [wrong.field for wrong in caught.value.fields] == ["model"]


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (200, {"code": 200, "msg": "success", "data": {}}, "without a job"),
        (200, {"code": 500, "msg": "Server Error"}, "code 500: Server Error"),
        (500, {"code": 500, "msg": "Server Error"}, "code 500"),
        (502, {"code": 200, "msg": "success", "data": None}, "code 502"),
        (200, {"code": 7, "msg": "odd"}, "code 7"),
        (200, {"code": 402, "msg": "no credits", "data": {"taskId": "job"}}, "refused the call but returned a job"),
        (200, [], "with JSON that is not an object"),
        (200, b'{"code":200,"data":{"task', "truncated or invalid"),
        (200, b"", "empty body"),
        (307, {}, "a redirect: check APIKLEY_API_URL"),
    ],
)
def test_an_inconclusive_response_is_unclear(status: int, body: object, says: str) -> None:
    """A job may have been created, so the call is never repeated."""
    with pytest.raises(UpstreamUnclear, match=says):
        parse_create(answer(body, status))


def test_a_refused_read_does_not_mean_that_there_is_no_record() -> None:
    """With an invalid key, for example, the job may still run."""
    with pytest.raises(UpstreamRejected, match="check APIKLEY_API_KEY"):
        parse_record(answer({"code": 401, "msg": "Unauthorized", "data": None}))


def test_html_from_a_proxy_is_described_and_not_quoted() -> None:
    """HTML is unclear with 5xx and a refusal with 4xx; a record without a state is unclear."""
    with pytest.raises(UpstreamUnclear, match="text/html instead of JSON"):
        parse_create(answer(b"<html>secret", 502, "text/html"))
    with pytest.raises(UpstreamRejected) as caught:
        parse_create(answer(b"<html>secret", 403, "text/html"))
    assert "secret" not in caught.value.detail
    with pytest.raises(UpstreamUnclear, match="has no state"):
        parse_record(answer({"code": 200, "data": {"taskId": "job"}}))


def test_the_check_requires_success() -> None:
    """The number of credits does not matter."""
    confirm(answer({"code": 200, "msg": "success", "data": 0}))
    with pytest.raises(UpstreamRejected, match="check APIKLEY_API_KEY"):
        confirm(answer({"code": 401, "msg": "You do not have access permissions"}))
