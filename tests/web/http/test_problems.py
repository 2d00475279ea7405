"""Whatever a caller does wrong is answered with a problem that names it, and the relay lives."""

import asyncio
import hmac
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import jwt
import orjson
import pytest
from yarl import URL

from relay.app import Running

Message = dict[str, Any]
Start = Callable[..., Awaitable[Message]]

IMAGE = "bytedance/text-to-image-seedream-v4"
GOOD = {"model": IMAGE, "input": {"prompt": "a cat"}}
JSON = "application/json"
HELD = "hold_at=task_queue"
LATER = int(time.time()) + 86_400


async def problem_of(answer: aiohttp.ClientResponse) -> Message:
    """Read a problem answer, whose parts agree with each other."""
    assert answer.content_type == "application/problem+json"
    problem: Message = await answer.json()
    assert problem["status"] == answer.status
    assert problem["type"] == f"/problems/{problem['code']}"
    assert problem["title"]
    assert problem["detail"]
    return problem


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"input": {}}, ["model"]),
        (GOOD | {"model": "no-slash"}, ["model"]),
        (GOOD | {"model": "a/b/c"}, ["model"]),
        (GOOD | {"model": "../b"}, ["model"]),
        (GOOD | {"model": "a/.."}, ["model"]),
        (GOOD | {"model": "./b"}, ["model"]),
        (GOOD | {"model": 7}, ["model"]),
        (GOOD | {"input": []}, ["input"]),
        (GOOD | {"input": "a cat"}, ["input"]),
        (GOOD | {"provider": "nobody"}, ["provider"]),
        (GOOD | {"tags": "one"}, ["tags"]),
        (GOOD | {"tags": ["fine", "not\nfine"]}, ["tags.1"]),
        (GOOD | {"tags": [f"t{number}" for number in range(17)]}, ["tags"]),
        (GOOD | {"metadata": 1}, ["metadata"]),
        (GOOD | {"ttl": 0}, ["ttl"]),
        (GOOD | {"ttl": "60"}, ["ttl"]),
        (GOOD | {"tll": 60, "inputs": {}}, ["tll", "inputs"]),
    ],
)
async def test_a_field_that_is_wrong_is_named(client: aiohttp.ClientSession, body: Message, fields: list[str]) -> None:
    """422, one error for each field, by its path, in words and not as a regular expression."""
    async with client.post("/v1/tasks", json=body) as answer:
        problem = await problem_of(answer)
    assert "^" not in problem["detail"]

    assert (answer.status, problem["code"]) == (422, "invalid_input")
    assert not fields or [error["field"] for error in problem["errors"]] == fields


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"{", JSON, 400, "invalid_request"),
        (b"", JSON, 400, "invalid_request"),
        (b"[1]", JSON, 400, "invalid_request"),
        (b'"text"', JSON, 400, "invalid_request"),
        (b"\xff\xfe", JSON, 400, "invalid_request"),
        (b'{"model":"\\ud800/x","input":{}}', JSON, 400, "invalid_request"),
        (b"[" * 100_000, JSON, 400, "invalid_request"),
        (b'{"model":NaN}', JSON, 400, "invalid_request"),
        (orjson.dumps(GOOD), "text/plain", 415, "unsupported_media_type"),
        (b"a=b", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (orjson.dumps(GOOD | {"metadata": {"x": "x" * 3_000_000}}), JSON, 413, "payload_too_large"),
        (b'{"model":"a/b","input":' + b'{"a":' * 300 + b"1" + b"}" * 301, JSON, 400, "invalid_request"),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused(
    client: aiohttp.ClientSession, body: bytes, kind: str, status: int, code: str
) -> None:
    """No JSON, no object, another type, too much of it: each has its code, and the next call is answered."""
    async with client.post("/v1/tasks", data=BytesIO(body), headers={"Content-Type": kind}) as answer:
        problem = await problem_of(answer)
    async with client.get("/v1/tasks") as after:
        listed = await after.json()

    assert (answer.status, problem["code"]) == (status, code)
    assert listed["tasks"] == []


@pytest.mark.parametrize(
    ("credential", "status"),
    [
        (None, 401),
        ("Basic Zm9vOmJhcg==", 401),
        ("Bearer", 401),
        ("Bearer ", 401),
        ("Bearer wrong", 401),
        ("Bearer a-management-key-for-test", 401),
        ("Bearer a-management-key-for-tests2", 401),
        ("Bearer a.b.c", 401),
        ("bearer a-management-key-for-tests", 200),
    ],
)
async def test_only_the_key_opens_the_list(relay: Running, credential: str | None, status: int) -> None:
    """Everything but the very key is a 401, which says how to do better."""
    headers = {} if credential is None else {"Authorization": credential}
    async with aiohttp.ClientSession(relay.url, headers=headers) as anybody, anybody.get("/v1/tasks") as answer:
        assert answer.status == status
        if status == 401:
            assert (await problem_of(answer))["code"] == "unauthorized"
            assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_a_key_in_an_address_opens_no_management_call(relay: Running) -> None:
    """Addresses end up in logs: what changes something takes the header alone."""
    async with (
        aiohttp.ClientSession(relay.url) as anybody,
        anybody.post("/v1/tasks", json=GOOD, params={"token": relay.api_key}) as answer,
    ):
        assert (await problem_of(answer))["code"] == "unauthorized"


async def test_a_viewer_token_does_what_it_says_and_no_more(relay: Running, start: Start) -> None:
    """View is not cancel, not input, not another task, and never management."""
    made, other = await start(HELD), await start(HELD)
    task, foreign = f"/v1/tasks/{made['task']['id']}", f"/v1/tasks/{other['task']['id']}"
    headers = {"Authorization": f"Bearer {made['token']}"}
    async with aiohttp.ClientSession(relay.url, headers=headers) as viewer:
        for path in (task, f"{task}/events"):
            async with viewer.get(path) as answer:
                assert answer.status == 200
        for method, path in (
            ("GET", f"{task}/input"),
            ("POST", f"{task}/cancel"),
            ("POST", f"{task}/tokens"),
            ("GET", foreign),
            ("GET", "/v1/tasks/nobody"),
            ("POST", "/v1/tasks"),
            ("GET", "/v1/tasks"),
        ):
            async with viewer.request(method, path) as answer:
                assert (await problem_of(answer))["code"] == "forbidden", path


async def test_a_tag_token_lists_and_shows_the_tasks_of_its_tag(relay: Running, start: Start) -> None:
    """Any backend can mint it, and it opens that tag alone."""
    mine, other = await start(HELD, tags=["a"]), await start(HELD, tags=["b"])
    claims = {"tag": "a", "scope": "view", "exp": LATER}
    token = jwt.encode(claims, relay.context.access._secret, algorithm="HS256")
    async with aiohttp.ClientSession(relay.url, headers={"Authorization": f"Bearer {token}"}) as viewer:
        async with viewer.get("/v1/tasks", params={"tag": "a"}) as answer:
            assert [task["id"] for task in (await answer.json())["tasks"]] == [mine["task"]["id"]]
        for path, status in (
            ("/v1/tasks?tag=b", 403),
            ("/v1/tasks", 403),
            (f"/v1/tasks/{mine['task']['id']}", 200),
            (f"/v1/tasks/{other['task']['id']}", 403),
        ):
            async with viewer.get(path) as answer:
                assert answer.status == status


@pytest.mark.parametrize(
    "claims",
    [
        {"task": "t"},
        {"task": "t", "exp": "soon"},
        {"task": "t", "exp": float("inf")},
        {"task": "t", "exp": float("nan")},
        {"task": "t", "exp": 10**400},
        {"task": "t", "exp": -1},
        {"task": "t", "exp": 1},
        {"task": "t", "tag": "g", "exp": LATER},
        {"task": 7, "exp": LATER},
        {"task": "", "exp": LATER},
        {"exp": LATER},
        {"task": "t", "scope": ["view"], "exp": LATER},
        {"task": "t", "exp": True},
        {"task": "t", "exp": LATER, "nbf": LATER - 60},
        {"task": "t", "exp": LATER, "nbf": "now"},
        {"task": "t", "exp": LATER, "nbf": float("nan")},
        {"task": "t", "exp": LATER, "aud": "another-service"},
    ],
)
async def test_a_token_with_odd_claims_is_no_token(relay: Running, claims: Message) -> None:
    """Signed, but without an end, too early, without an aim, with two, or for somebody else: refused."""
    token = jwt.encode(claims, relay.context.access._secret, algorithm="HS256")
    async with (
        aiohttp.ClientSession(relay.url, headers={"Authorization": f"Bearer {token}"}) as viewer,
        viewer.get("/v1/tasks/t") as answer,
    ):
        assert (await problem_of(answer))["code"] == "unauthorized"


def signed(claims: Message, secret: str, algorithm: str, digest: str) -> str:
    """Sign by hand with our secret what claims to be of another algorithm."""
    parts = [urlsafe_b64encode(orjson.dumps(part)).rstrip(b"=") for part in ({"alg": algorithm, "typ": "JWT"}, claims)]
    signature = hmac.digest(secret.encode(), b".".join(parts), digest)
    return b".".join([*parts, urlsafe_b64encode(signature).rstrip(b"=")]).decode()


async def test_a_token_of_another_algorithm_is_no_token(relay: Running) -> None:
    """HS256 with our secret, and nothing that a token says of itself."""
    claims = {"task": "t", "exp": LATER}
    secret = relay.context.access._secret
    tokens = [jwt.encode(claims, "", algorithm="none"), jwt.encode(claims, secret[::-1], algorithm="HS256")]
    tokens.append(jwt.encode(claims, secret, algorithm="HS256", headers={"crit": ["b64"], "b64": False}))
    good = signed(claims, secret, "HS256", "sha256")
    tokens.append(good.rpartition(".")[0] + ".")
    tokens += [signed(claims, secret, algorithm, "sha256") for algorithm in ("RS256", "none", "hs256")]
    tokens += [signed(claims, secret, "HS384", "sha384"), signed(claims, secret, "HS512", "sha512")]
    async with (
        aiohttp.ClientSession(relay.url, headers={"Authorization": f"Bearer {good}"}) as viewer,
        viewer.get("/v1/tasks/t") as answer,
    ):
        assert (await problem_of(answer))["code"] == "not_found"  # this one would do
    async with aiohttp.ClientSession(relay.url) as viewer:
        for token in tokens:
            async with viewer.get("/v1/tasks/t", headers={"Authorization": f"Bearer {token}"}) as answer:
                assert (await problem_of(answer))["code"] == "unauthorized"


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/v1/tasks/nobody", "not_found"),
        ("GET", "/v1/tasks/nobody/input", "not_found"),
        ("GET", "/v1/tasks/nobody/events", "not_found"),
        ("POST", "/v1/tasks/nobody/cancel", "not_found"),
        ("POST", "/v1/tasks/nobody/tokens", "not_found"),
        ("GET", "/v1/tasks/%ff%00", "not_found"),
        ("GET", "/v1/tasks/%ed%a0%80", "not_found"),
        ("GET", "/v1/nothing", "not_found"),
        ("GET", "/nothing", "not_found"),
        ("GET", "/static/../relay/app.py", "not_found"),
        ("GET", "/static/%2e%2e/relay/app.py", "not_found"),
        ("GET", "/static/nothing.js", "not_found"),
        ("GET", "/static/%00", "not_found"),
        ("GET", "/static/", "not_found"),
        ("DELETE", "/v1/tasks", "method_not_allowed"),
        ("PUT", "/livez", "method_not_allowed"),
        ("GET", "/v1/tasks?limit=0", "invalid_input"),
        ("GET", "/v1/tasks?limit=many", "invalid_input"),
        ("GET", "/v1/tasks?limit=201", "invalid_input"),
        ("GET", "/v1/tasks?state=asleep", "invalid_input"),
        ("GET", "/v1/tasks?color=red", "invalid_input"),
        ("GET", "/v1/tasks?cursor=x", "invalid_request"),
        ("GET", "/v1/tasks?cursor=nan~x", "invalid_request"),
        ("GET", "/v1/tasks?cursor=1e999~x", "invalid_request"),
        ("GET", "/v1/ws", "invalid_request"),
    ],
)
async def test_every_wrong_address_has_its_problem(
    client: aiohttp.ClientSession, relay: Running, method: str, path: str, code: str
) -> None:
    """Unknown tasks, paths and methods, and queries that make no sense: a code for each, and no crash for any."""
    url = URL(relay.url + path, encoded=True)
    async with client.request(method, url) as answer:
        assert (await problem_of(answer))["code"] == code


async def test_a_method_that_is_not_possible_is_told_which_are(client: aiohttp.ClientSession) -> None:
    """RFC 9110 section 15.5.6: `Allow` goes with a 405."""
    for path, allowed in (("/v1/tasks", "GET, HEAD, POST"), ("/v1/tasks/x/cancel", "POST"), ("/livez", "GET, HEAD")):
        async with client.delete(path) as answer:
            assert (await problem_of(answer))["code"] == "method_not_allowed"
            assert answer.headers["Allow"] == allowed


async def test_a_query_that_is_wrong_names_its_field(client: aiohttp.ClientSession, start: Start) -> None:
    """As for bodies."""
    made = await start(HELD)
    for path, field in (
        ("/v1/tasks?limit=0", "limit"),
        ("/v1/tasks?state=asleep", "state"),
        (f"/v1/tasks/{made['task']['id']}/events?after=-1", "after"),
    ):
        async with client.get(path) as answer:
            assert [error["field"] for error in (await problem_of(answer))["errors"]] == [field]


@pytest.mark.parametrize(
    "line",
    [
        b"Authorization: Bearer \xff\xfe",
        b"Authorization: Bearer " + b64encode(b"[" * 4200) + b".e30.e30",
        b"Origin: http://[",
        b"Origin: http://\xff",
        b"Last-Event-ID: \xff",
        b"Sec-WebSocket-Protocol: relay.token.\xff",
        b"Accept: text/event-stream\xff",
    ],
)
async def test_a_header_of_any_bytes_is_answered(relay: Running, line: bytes) -> None:
    """What is no text, or is text of an odd kind, is the caller's fault and not ours: 4xx, never 500."""
    address = urlsplit(relay.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(b"GET /v1/tasks/nobody HTTP/1.1\r\nConnection: close\r\nHost: \xff\r\n" + line + b"\r\n\r\n")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()

    assert answer.startswith(b"HTTP/1.1 4")
    assert b"application/problem+json" in answer


async def test_an_error_of_ours_shows_nothing_of_itself(
    client: aiohttp.ClientSession, relay: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug is a plain 500: its text stays in the log."""

    async def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("something private")

    monkeypatch.setattr(relay.context.journal, "snapshot", fail)
    async with client.get("/v1/tasks/x") as answer:
        problem = await problem_of(answer)

    assert (answer.status, problem["code"]) == (500, "internal")
    assert "private" not in str(problem)


async def test_minting_needs_no_body_and_takes_no_odd_one(client: aiohttp.ClientSession, start: Start) -> None:
    """Scopes are the three there are; what is not said is view for a day."""
    made = await start(HELD)
    path = f"/v1/tasks/{made['task']['id']}/tokens"
    async with client.post(path) as answer:
        minted = await answer.json()
        assert (answer.status, set(minted)) == (200, {"token", "expires_at", "links"})
    async with client.post(path, json={"scope": "view cancel input", "ttl": 60}) as answer:
        assert (await answer.json())["expires_at"] < minted["expires_at"]
    for body in ({"scope": "admin"}, {"scope": ""}, {"scope": "view  cancel"}, {"ttl": 0}, {"ttl": 10**12}, {"x": 1}):
        async with client.post(path, json=body) as answer:
            assert (await problem_of(answer))["code"] == "invalid_input"


async def test_a_page_of_the_log_is_read_from_where_it_was_left(client: aiohttp.ClientSession, start: Start) -> None:
    """`next` leads on until there is nothing more."""
    made = await start()
    path = f"/v1/tasks/{made['task']['id']}/events"
    async with client.get(path, headers={"Accept": "text/event-stream"}) as answer:
        await answer.read()
    seqs: list[int] = []
    after: int | None = 0
    while after is not None:
        async with client.get(path, params={"after": after, "limit": 7}) as answer:
            page = await answer.json()
        assert page["first_seq"] == 1
        assert page["epoch"] == made["task"]["epoch"]
        seqs += [event["seq"] for event in page["events"]]
        after = page["next"]

    assert seqs == list(range(1, seqs[-1] + 1))
    assert page["events"][-1]["type"] == "done"
