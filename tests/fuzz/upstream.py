"""Fuzz targets for input from the platforms: frames, answers, descriptions of models, callbacks."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import orjson

from relay.catalogue.check import check
from relay.core.codec import decode_event, decode_snapshot, encode_event, encode_snapshot
from relay.core.lifecycle import Lifecycle, submit
from relay.core.signals import RecordRead, Signal
from relay.core.snapshot import apply
from relay.core.upstream import File
from relay.errors import RequestError, UpstreamRejected, UpstreamUnclear
from relay.providers.apikley import responses as apikley
from relay.providers.apikley.callbacks import WINDOW_S, sign, verified_job
from relay.providers.response import Response
from relay.providers.wiro import file_store
from relay.providers.wiro import responses as wiro
from relay.providers.wiro.frames import FrameError, parse
from relay.providers.wiro.tools import parse_tool
from relay.web.api.models import to_response
from tests.fuzz.target import Target, check_reportable

NOW = 1_734_513_809.0
SECRET = "webhook-secret"
STATUSES = (200, 204, 302, 400, 401, 404, 429, 500, 503)
UPLOAD = File(input="file", path=Path(), filename="a.png", content_type="image/png", size_bytes=7, sha256="0" * 64)

Read = TypeVar("Read")


def check_events(signals: Iterable[Signal]) -> None:
    """Assert that every event and state that follows from the signals can be encoded and decoded."""
    first, snapshot = submit(task="t", model="m/n", provider="p", tags=(), epoch="e", now=NOW)
    lifecycle, seen, now = Lifecycle(snapshot, NOW), snapshot, NOW
    for signal in signals:
        now += 1
        for event in [*lifecycle.receive(signal, now), *lifecycle.handle_deadline(now + 0.5)]:
            read = decode_event(encode_event(event))
            assert encode_event(read) == encode_event(event)
            seen = apply(seen, read)
    assert encode_snapshot(seen) == encode_snapshot(lifecycle.snapshot)
    assert decode_snapshot(encode_snapshot(seen)) == seen
    assert seen.seq >= first.seq


def allow_refusal(read: Callable[[Response], Read], answer: Response) -> Read | None:
    """Read an answer; allow only the providers' documented errors, which must be reportable."""
    try:
        return read(answer)
    except (UpstreamRejected, UpstreamUnclear) as error:
        check_reportable(error)
        return None


def answered(data: bytes) -> Response:
    """Return an answer: the first byte selects status and content type, the rest is the body."""
    first = data[0] if data else 0
    kind = "application/json" if first < 128 else "text/html"
    return Response(status=STATUSES[first % len(STATUSES)], content_type=kind, body=data[1:])


def frame(data: bytes) -> None:
    """Parse a frame of Wiro's socket, as text if it is UTF-8."""
    try:
        raw: str | bytes = data.decode()
    except UnicodeDecodeError:
        raw = data
    try:
        signals = parse(raw).signals
    except FrameError:
        return
    check_events(signals)


def wiro_answer(data: bytes) -> None:
    """Parse the answer of every call of Wiro's REST API."""
    answer = answered(data)
    if (record := allow_refusal(wiro.parse_record, answer)) is not None:
        check_events([RecordRead(record=record)])
    allow_refusal(wiro.parse_run, answer)
    allow_refusal(wiro.confirm, answer)
    orjson.dumps(allow_refusal(lambda each: file_store.parse_file(each, UPLOAD), answer))
    orjson.dumps(allow_refusal(lambda each: file_store.parse_folder(each, "a"), answer))


def wiro_tool(data: bytes) -> None:
    """Parse a description of a model; it must be presentable and usable for checking an input."""
    model = allow_refusal(lambda each: parse_tool(each, "owner/name"), answered(data))
    if model is not None:
        shown = orjson.loads(orjson.dumps(to_response(model, available=True)))
        given = {each["name"]: each["default"] if each["default"] is not None else "1" for each in shown["inputs"]}
        sent, _ = check(model, given)
        orjson.dumps(sent)


def apikley_answer(data: bytes) -> None:
    """Parse the answer of every call of Apikley's REST API."""
    answer = answered(data)
    if (record := allow_refusal(apikley.parse_record, answer)) is not None:
        check_events([RecordRead(record=record)])
    allow_refusal(apikley.parse_create, answer)
    allow_refusal(apikley.confirm, answer)


def apikley_callback(data: bytes) -> None:
    """Verify a callback (lines with timestamp and signature, then the body); only a valid signature passes."""
    stamp, signature, body = (*data.split(b"\n", 2), b"", b"")[:3]
    headers = {
        "X-Webhook-Timestamp": stamp.decode(errors="surrogateescape"),  # as aiohttp reads a header
        "X-Webhook-Signature": signature.decode(errors="surrogateescape"),
    }
    try:
        job = verified_job(headers, body, secret=SECRET, now=NOW)
    except RequestError as error:
        check_reportable(error)
    else:
        assert abs(int(headers["X-Webhook-Timestamp"]) - NOW) <= WINDOW_S
        assert headers["X-Webhook-Signature"].strip() == sign(job, headers["X-Webhook-Timestamp"], SECRET)


def _words(text: str) -> tuple[bytes, ...]:
    return tuple(text.encode().split())


_FRAME = b'{"type":"task_%b","id":"534574","tasktoken":"eDcCm5yy","message":%b,"result":true}'
_PROGRESS = (
    b'{"type":"progressGenerate","task":"Generate","percentage":"60","stepCurrent":"6","stepTotal":"10",'
    b'"speed":"1.2","speedType":"it/s","elapsedTime":"5s","remainingTime":"1m 3s"}'
)
_BAR = rb'"Loading:  10%|\u2588 | 1/10 [00:05<00:45,  1.20it/s]"'
_OUTPUT = b'{"name":"0.png","contenttype":"image/png","size":"7","url":"https://cdn.example/0.png"}'
_DETAIL = (
    b'{"id":"534574","uuid":"u","status":"task_postprocess_end","createtime":"1734513807","starttime":"1734513808",'
    b'"endtime":"1734513813","postprocessendtime":"1734513814","canceltime":"0","pexit":"0","elapsedseconds":"6.0000",'
    b'"totalcost":"0.003510000000","modelslugowner":"a","modelslugproject":"b","debugoutput":"hello\\n",'
    b'"debugerror":"","outputs":[%b]}'
) % _OUTPUT
_ERROR = b'{"code":97,"message":"Insufficient balance"}'

TARGETS = (
    Target(
        name="wiro-frame",
        try_out=frame,
        seeds=(
            _FRAME % (b"queue", b"null"),
            _FRAME % (b"output", _PROGRESS),
            _FRAME % (b"output", _BAR),
            _FRAME % (b"error", b'"UserWarning"'),
            _FRAME % (b"output", b'{"type":"answer","thinking":["a"],"answer":["b","c"],"raw":"d","isThinking":false}'),
            _FRAME % (b"output", b'{"segments":[{"type":"thinking","text":"a"},{"type":"tool","arguments":"{}"}]}'),
            _FRAME % (b"output", b'{"type":"info","message":"Frame 12","percentage":">100","file":"a"}'),
            _FRAME % (b"output", b'{"raw":"<think>hm</think><answer>Hi","isThinking":true,"answer":[]}'),
            _FRAME % (b"postprocess_end", b"[" + _OUTPUT + b"]"),
            _FRAME
            % (b"postprocess_end", b'{"0":{"fileUrl":"//cdn.example/a","mime_type":"png"},"1":"https://c.example/a"}'),
            _FRAME % (b"postprocess_end", b'[{"content":{"segments":[{"type":"answer","text":"<answer>a</ans"}]}}]'),
            _FRAME
            % (b"postprocess_end", b'[{"contenttype":"raw","content":{"answer":["a"],"finishreason":"length"}}]'),
            b'{"type":"task_postprocess_end","id":1,"success":false,"exitCode":"137","message":"[]"}',
            _FRAME % (b"cancel", b"null"),
            _FRAME % (b"output", rb'"half a \ud83d"'),
            _FRAME % (b"output", b"[" * 300 + rb'"\ud83d"' + b"]" * 300),
            _FRAME % (b"postprocess_end", rb'[{"content":{"a":"\ud83d","b":%b,"c":NaN}}]' % (b"9" * 30)),
            b"[" * 100_000,
        ),
        words=_words(
            "type id tasktoken message success exitCode percentage stepCurrent stepTotal task speed speedType "
            "remainingTime thinking answer raw segments text arguments input name contenttype size url content "
            "status isThinking finishreason filename mime_type fileUrl javascript:alert(1) <answer> </answer> <think> "
            "task_output task_error task_end task_cancel task_postprocess_end task_start %| it/s s/it [00:05<00:45"
        ),
    ),
    Target(
        name="wiro-answer",
        try_out=wiro_answer,
        seeds=(
            b'\x00{"result":true,"errors":[],"taskid":"534574","socketaccesstoken":"eDcCm5yy"}',
            b'\x00{"result":true,"errors":[],"tasklist":[' + _DETAIL + b"]}",
            b'\x00{"data":{"status":"task_cancel","canceltime":"2025-01-01 10:00:00"}}',
            b'\x04{"result":false,"errors":[' + _ERROR + b"]}",
            b'\x03{"result":false,"errors":["Request parameter [prompt] required"]}',
            b'\x00{"result":true,"list":[{"id":"f","name":"a","size":7,"parentid":"p"}]}',
            rb'%c{"tasklist":[{"id":%b,"status":"\ud83d","outputs":[{"content":{"n":%b}}],"totalcost":NaN}]}'
            % (0, b"9" * 30, b"9" * 30),
            b"\x87<html>bad gateway</html>",
            b"\x07",
        ),
        words=_words(
            "result errors code message data taskid socketaccesstoken tasklist list status outputs output pexit "
            "totalcost elapsedseconds createtime starttime postprocessendtime canceltime debugoutput debugerror "
            "task_postprocess_end task_cancel task_error name contenttype size url content finishreason 1734513807000"
        ),
    ),
    Target(
        name="wiro-tool",
        try_out=wiro_tool,
        seeds=(
            (
                b'\x00{"result":true,"errors":[],"tool":[{"title":"T","description":"D","inspire":[{"prompt":"a cat"}],'
                b'"parameters":[{"title":"I","items":[{"id":"prompt","type":"textarea","label":"P","required":"1"},'
                b'{"id":"steps","type":"range","min":"1","max":"50","default":20},'
                b'{"id":"size","type":"select","options":[{"value":true,"label":"L"},"b"],"default":"b"},'
                b'{"id":"image","type":"combinefileinput"}]}]}]}'
            ),
            b'\x00{"result":true,"tool":[{"parameters":"[]"}]}',
            rb'%c{"tool":[{"title":"\ud83d","parameters":[],"inspire":[{"seed":%b}]}]}' % (0, b"9" * 30),
            b'\x00{"tool":[{"parameters":[{"items":[{"id":"a","type":"number","max":"%b"}]}]}]}' % (b"9" * 100),
            b'\x00{"result":false,"errors":[{"code":0,"message":"slug-owner-project-not-exist"}]}',
        ),
        words=_words(
            "tool parameters items id name type label note help placeholder required default options value min max "
            "inspire text textarea select range number numeric integer float multiselect fileinput multifileinput "
            "combinefileinput true false"
        ),
    ),
    Target(
        name="apikley-answer",
        try_out=apikley_answer,
        seeds=(
            b'\x00{"code":200,"msg":"success","data":{"taskId":"task_1"}}',
            (
                b'\x00{"code":200,"data":{"taskId":"task_1","state":"success","model":"m","createTime":1765176560000,'
                b'"updateTime":1765176561000,"completeTime":1765176562000,"costTime":2000,"creditsConsumed":3.5,'
                b'"resultJson":"{\\"resultUrls\\":[\\"https://cdn.example/a.png\\"],\\"resultObject\\":{\\"a\\":1}}"}}'
            ),
            b'\x00{"code":200,"data":{"taskId":"task_1","successFlag":1,"response":{"resultUrls":"[\\"https://c.example/a\\"]"}}}',
            b'\x00{"code":200,"data":{"taskId":"task_1","state":"Timed-Out","errorMessage":"no","videoUrl":"c.example/a"}}',
            b'\x00{"code":501,"data":{"taskId":"task_1","state":"fail","failCode":"500","failMsg":"no"}}',
            b'\x00{"code":200,"data":{"task_id":"task_1","state":"generating","progress":"12"}}',
            b'\x03{"code":402,"message":"Insufficient credits"}',
            b"\x88<html>",
        ),
        words=_words(
            "code msg message data taskId task_id state status successFlag success fail failed expired generating "
            "waiting resultJson resultUrls resultObject failCode failMsg createTime updateTime completeTime "
            "creditsConsumed progress https://"
        ),
    ),
    Target(
        name="apikley-callback",
        try_out=apikley_callback,
        seeds=(
            b"%d\n%b\n" % (NOW, sign("task_1", str(int(NOW)), SECRET).encode()) + b'{"data":{"taskId":"task_1"}}',
            b"1000\n%b\n" % sign("task_1", "1000", SECRET).encode() + b'{"data":{"taskId":"task_1"}}',
            b"9" * 5000 + b"\na\n{}",
            b"%d\n\xff\n" % NOW + b'{"data":{"taskId":"task_1"}}',
            b"%d\nbm90IG91cnM=\n" % NOW + b'{"data":{"task_id":7}}',
            b"\n\n",
        ),
        words=_words("data taskId task_id task_1"),
    ),
)
