"""Fuzz targets for input from callers, viewers and operators."""

import tempfile
from base64 import urlsafe_b64encode
from collections.abc import Callable
from functools import partial
from math import isfinite
from pathlib import Path

import jwt
import orjson
from pydantic import BaseModel, ValidationError

from relay import config
from relay.access.grants import LEEWAY_S, MAX_TTL_S, SCOPES, Access
from relay.catalogue import catalogue
from relay.catalogue.check import Offer, check
from relay.config.api_keys import ApiKey
from relay.errors import ConfigError, RequestError
from relay.hub.cursor import parse_cursor
from relay.tasks.listing import Order
from relay.web.api.file_bodies import FileBody, FolderBody
from relay.web.api.task_bodies import AttachBody, StartBody, TagTokenBody, TokenBody
from relay.web.api.task_queries import EventsQuery, ListQuery, page_cursor
from relay.web.http.json_body import parse_object
from relay.web.http.problems import validation_error
from relay.web.live.messages import MessageError, parse
from tests.fuzz.target import Target, check_reportable

NOW = 1_734_513_809.0
KEY = "a-management-key-for-fuzzing"
SECRET = "a-secret-that-signs-fuzzed-tokens"
ACCESS = Access([ApiKey(key=KEY)], SECRET, lambda: NOW)
MODELS = tuple(catalogue.load())
BODIES: tuple[type[BaseModel], ...] = (
    StartBody,
    AttachBody,
    FileBody,
    FolderBody,
    TokenBody,
    TagTokenBody,
    ListQuery,
    EventsQuery,
)


def _part(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


def _signed(header: bytes, claims: bytes) -> str:
    signing = _part(header) + b"." + _part(claims)
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    return (signing + b"." + _part(algorithm.sign(signing, SECRET.encode()))).decode()


def credential(data: bytes) -> None:
    """Check a credential: the bytes as they are, or as the claims or the header of a signed token."""
    kind, rest = data[:1], data[1:]
    match kind:
        case b"c":
            text = _signed(b'{"alg":"HS256","typ":"JWT"}', rest)
        case b"h":
            text = _signed(rest, b'{"task":"t","exp":%d}' % (NOW + 60))
        case _:
            text = rest.decode(errors="surrogateescape")  # as aiohttp reads a header
    try:
        grant = ACCESS.check(text)
    except RequestError as error:
        check_reportable(error)
        return
    if grant.is_key:
        assert text == KEY
        return
    assert kind in (b"c", b"h") or text.count(".") == 2
    assert (grant.task is None) != (grant.tag is None)
    assert grant.expires_at is not None
    assert NOW < grant.expires_at <= NOW + MAX_TTL_S + LEEWAY_S
    assert not any(grant.allows(scope, "another task", ("another tag",)) for scope in SCOPES)
    assert not any(grant.allows_tag(scope, "another tag") for scope in SCOPES)


def cursor(data: bytes) -> None:
    """Parse a cursor of a task's log and one of the task list."""
    text = data.decode(errors="surrogateescape")
    place = parse_cursor(text)
    assert place is None or (place.seq >= 0 and place.epoch.isascii())
    for order in Order:
        allow_refusal(partial(_page, text, order))


def _page(text: str, order: Order) -> None:
    if (place := ListQuery(cursor=text, order=order).after()) is not None:
        assert isfinite(place.position.created_at)
        assert ListQuery(cursor=page_cursor(place, order), order=order).after() == place


def message(data: bytes) -> None:
    """Parse a viewer's WebSocket message; aiohttp delivers text, or closes the connection."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    try:
        assert parse(text).type in ("subscribe", "unsubscribe", "auth")
    except MessageError as error:
        str(error).encode()  # a close frame carries it


def allow_refusal(read: Callable[[], object]) -> None:
    """Call `read`; allow only errors of the caller that can be reported."""
    try:
        read()
    except RequestError as error:
        check_reportable(error)
    except ValidationError as error:
        check_reportable(validation_error(error))


def body(data: bytes) -> None:
    """Parse a JSON body as the body of every API call."""
    for kind in BODIES:
        allow_refusal(partial(_read, kind, data))


def _read(kind: type[BaseModel], data: bytes) -> None:
    read = kind.model_validate(parse_object(data))
    orjson.dumps(read.model_dump(), option=orjson.OPT_SORT_KEYS)


def run_input(data: bytes) -> None:
    """Check a run's input against every model, without files and with one for each input."""
    try:
        given = parse_object(data)
    except RequestError as error:
        check_reportable(error)
        return
    for model in MODELS:
        for offers in ((), tuple(Offer(input=each.name, content_type="image/png") for each in model.inputs)):
            sent, faults = check(model, given, offers)
            orjson.dumps([sent, faults])
            for name in given if model.closed else ():
                assert faults or name in sent


def settings(data: bytes) -> None:
    """Load settings from the environment and from a file."""
    lines = (line.partition("=") for line in data.decode(errors="surrogateescape").splitlines())
    environ = {name: value for name, _, value in lines if name and "\0" not in name + value}
    with tempfile.NamedTemporaryFile(prefix="fuzz-") as file:
        file.write(data)
        file.flush()
        for given, path in ((environ, Path("/dev/null")), ({}, Path(file.name))):
            try:
                config.load(given, path)
            except ConfigError as error:
                str(error).encode(errors="backslashreplace")  # as stderr does


def _words(text: str) -> tuple[bytes, ...]:
    return tuple(text.encode().split())


TARGETS = (
    Target(
        name="credential",
        try_out=credential,
        seeds=(
            b"r" + KEY.encode(),
            b"r" + ACCESS.mint("t", scope="view cancel", ttl_s=60)[0].encode(),
            b"r" + ACCESS.mint_tag("g", scope="view", ttl_s=-60)[0].encode(),
            b'c{"task":"t","scope":"view","iat":1734513809,"exp":1734513869}',
            b'c{"tag":"g","scope":"view input","exp":1734513869.5,"nbf":1,"aud":"a","iss":"i","sub":"s","jti":"j"}',
            b'h{"alg":"HS256","typ":"JWT","kid":"k","crit":["b64"],"b64":false}',
            b'h{"alg":"none"}',
            b"h" + b"[" * 4200,
            b'c{"task":"t","exp":Infinity}',
            b'c{"task":"t","exp":NaN}',
            b'c{"task":"t","exp":"1734513869"}',
            b'c{"task":"t","exp":%b}' % (b"9" * 400),
            b'c{"task":7,"exp":1734513869}',
            b'c{"task":"t","tag":"g","exp":1734513869}',
            b'c{"task":"t","scope":["view"],"exp":1734513869}',
            b"r" + _signed(b'{"alg":"HS256"}', b'{"task":"t"}').encode(),
            b"r" + b"\xff" * 30,
        ),
        words=_words("task tag scope exp iat nbf aud iss sub jti alg typ kid crit b64 HS256 HS512 none 1734513869 . ="),
    ),
    Target(
        name="cursor",
        try_out=cursor,
        seeds=(b"a1-_Z:42", b"1734513809.123~aTask", b"inf~x", b"nan~x", b"e:", b"-0.0~", "e:٣".encode()),
        words=_words(": ~ nan inf 1e308 _ 0x 9007199254740993"),
    ),
    Target(
        name="message",
        try_out=message,
        seeds=(
            b'{"type":"subscribe","task":"t","cursor":"e:7","token":"a.b.c"}',
            b'{"type":"subscribe","tag":"g"}',
            b'{"type":"unsubscribe","task":"t"}',
            b'{"type":"auth","token":"a.b.c"}',
            b'{"type":"subscribe","task":"\\ud800"}',
            b"[" * 10_000,
        ),
        words=_words("type subscribe unsubscribe auth task tag cursor token"),
    ),
    Target(
        name="body",
        try_out=body,
        seeds=(
            b'{"model":"a/b","input":{"prompt":"a cat"},"provider":"wiro","tags":["g"],"metadata":{"k":1},"ttl":60}',
            b'{"socket_token":"s","upstream_id":"u","tags":[]}',
            b'{"name":"n","parent":"p","folder":"f"}',
            b'{"scope":"view cancel","ttl":60,"tag":"g"}',
            b'{"state":"running","limit":"10","cursor":"1.5~t","after":"3"}',
            b'{"model":"a/b","input":{"prompt":%b}}' % (b"[" * 260 + b"]" * 260),
            b'{"model":"a/b","input":{"n":%b}}' % (b"9" * 30),
        ),
        words=_words(
            "model input provider tags metadata ttl socket_token upstream_id name parent folder scope tag state "
            "limit cursor after view"
        ),
    ),
    Target(
        name="run-input",
        try_out=run_input,
        seeds=(
            b'{"prompt":"a cat","size":"2K","seed":"-1","guidanceScale":2.5,"watermark":false}',
            b'{"prompt":"a cat","inputImage":["https://a.example/a.png"],"maxImages":15,"sequentialImageGeneration":"auto"}',
            b'{"prompt":"a","inputImageUrl":"https://a.example/a.png","resolution":"720p","ratio":"16:9","duration":5}',
            b'{"prompt":"a","image_size":"square_hd","image_resolution":"1K","max_images":1,"seed":null}',
        ),
        words=tuple(each.key.encode() for model in MODELS for each in model.inputs),
    ),
    Target(
        name="settings",
        try_out=settings,
        seeds=(
            b"RELAY_HOST=0.0.0.0\nRELAY_PORT=8080\nRELAY_API_KEYS=a-management-key-for-fuzzing,x\n",
            b"RELAY_HOST=a\xbf\n",
            b"RELAY_PUBLIC_URL=https://a.example\nRELAY_TRUSTED_PROXIES=10.0.0.0/8, ::1\nRELAY_STORE=sqlite:///a.db\n",
            b"RELAY_TOKEN_SECRET='a-secret-that-signs-fuzzed-tokens'\nexport WIRO_API_KEY=\"k\"\nRELAY_DRAIN=inf # c\n",
        ),
        words=tuple(str(each.alias).encode() for each in config.Config.model_fields.values()),
    ),
)
