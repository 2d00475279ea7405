"""Answers: what each shape of a record means, and which refusal and which muddle becomes which error."""

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


def test_a_job_that_succeeded_is_read_whole() -> None:
    """Stages, results by the ends of their names, price, and the time between its two moments."""
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
    """Whatever else stands in its record; a state that nobody knows is no end."""
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
def test_every_spelling_of_an_end_ends_the_task(phase: str, state: object) -> None:
    """Its reason and its results are read then."""
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
def test_what_only_sounds_like_an_end_is_none(state: object) -> None:
    """A task that is ended too early loses its result; one that is not is looked at again."""
    detail = parse_record(record(state=state))

    assert detail is not None
    assert detail.phase == "open"


@pytest.mark.parametrize("flag", [1, "1"])
def test_a_record_may_count_where_its_job_is(flag: object) -> None:
    """As kie.ai's Veo does, which has its results in `response` and its reasons under other names."""
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
def test_results_may_lie_beside_the_result(name: str) -> None:
    """Where `resultJson` has none."""
    detail = parse_record(record(**{"resultJson": "", name: ["https://x/0.mp4"]}))

    assert detail is not None
    assert [output.url for output in detail.outputs] == ["https://x/0.mp4"]


@pytest.mark.parametrize("percent", [150, -1, "NaN", "Infinity", ">100"])
def test_a_percentage_that_is_none_is_dropped(percent: object) -> None:
    """As if it had not been said."""
    detail = parse_record(record(state="generating", progress=percent))

    assert detail is not None
    assert detail.progress is None


@pytest.mark.parametrize("code", [200, 501])
def test_a_job_that_failed_has_its_reason(code: int) -> None:
    """Its record counts under the job's own code too."""
    failed = {"state": "fail", "failCode": "430", "failMsg": "Refused", "resultJson": None, "creditsConsumed": None}
    detail = parse_record(answer({"code": code, "msg": "Playground task failed.", "data": RECORD | failed}))

    assert detail is not None
    assert (detail.phase, detail.fault, detail.outputs) == ("failed", Fault(code=430, message="Refused"), ())
    assert detail.cost is None
    assert Stage.POSTPROCESS_END not in detail.stages


def test_a_failure_without_words_says_so() -> None:
    """An empty reason is none."""
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
def test_results_come_in_many_shapes(result: object, outputs: tuple[object, ...]) -> None:
    """An object or JSON of one, escaped once or twice; what is no address is left out."""
    detail = parse_record(record(resultJson=result))

    assert detail is not None
    assert (
        tuple(o if isinstance(outputs[i], Output) else o.content_type for i, o in enumerate(detail.outputs)) == outputs
    )


def test_progress_is_there_only_where_it_is_said() -> None:
    """Nothing is estimated, and an end needs none."""
    assert [
        found.progress if (found := parse_record(record(state=state, progress=said))) else None
        for state, said in (("generating", 42), ("generating", "7.5"), ("generating", None), ("success", 100))
    ] == [Progress(percent=42.0), Progress(percent=7.5), None, None]


def test_the_older_name_of_the_price_is_read() -> None:
    """A price below nothing is none."""
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
    """Right after a job was made its record is not there for a moment."""
    assert parse_record(answer(body)) is None


def test_a_job_was_made() -> None:
    """The answer of the document."""
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
def test_each_refusal_has_our_code(status: int | None, code: int, ours: Code, field: str | None) -> None:
    """It is surely not started, and Apikley's own code and words are kept."""
    with pytest.raises(UpstreamRejected) as caught:
        parse_create(answer({"code": code, "msg": "Why", "data": None}, status or code))

    error = caught.value
    assert error.code is ours
    assert error.fault is not None
    assert (error.fault.code, error.fault.message) == (code, "Why")
    assert [wrong.field for wrong in error.fields] == ([field] if field else [])
    assert error.detail.endswith(": Why")


def test_a_model_that_is_not_taken_is_named() -> None:
    """The caller learns which field to mend."""
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
        (200, {"code": 402, "msg": "no credits", "data": {"taskId": "job"}}, "refused and yet returned a job"),
        (200, [], "with JSON that is not an object"),
        (200, b'{"code":200,"data":{"task', "truncated or invalid"),
        (200, b"", "empty body"),
        (307, {}, "a redirect: check APIKLEY_API_URL"),
    ],
)
def test_what_says_nothing_for_certain_is_unclear(status: int, body: object, says: str) -> None:
    """A job may have been made: it is never made again."""
    with pytest.raises(UpstreamUnclear, match=says):
        parse_create(answer(body, status))


def test_a_page_in_front_of_it_is_named_and_not_shown() -> None:
    """A gateway's page is unclear under 5xx and a refusal under 4xx; a record without a state makes no sense."""
    with pytest.raises(UpstreamUnclear, match="text/html instead of JSON"):
        parse_create(answer(b"<html>secret", 502, "text/html"))
    with pytest.raises(UpstreamRejected) as caught:
        parse_create(answer(b"<html>secret", 403, "text/html"))
    assert "secret" not in caught.value.detail
    with pytest.raises(UpstreamUnclear, match="has no state"):
        parse_record(answer({"code": 200, "data": {"taskId": "job"}}))


def test_the_check_wants_success() -> None:
    """The number of credits is no matter."""
    confirm(answer({"code": 200, "msg": "success", "data": 0}))
    with pytest.raises(UpstreamRejected, match="check APIKLEY_API_KEY"):
        confirm(answer({"code": 401, "msg": "You do not have access permissions"}))
