"""
Every error of a client is answered with a problem that names it.

`fields`, `links`, `responses`, `task_bodies` and `tasks` are tested here too.
"""

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
    """Return the problem of a response, after checking that its fields are consistent."""
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
async def test_an_invalid_field_is_named(client: aiohttp.ClientSession, body: Message, fields: list[str]) -> None:
    """The 422 has an error for each field, with its path, in words instead of a regular expression."""
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
async def test_an_unreadable_body_is_rejected(
    client: aiohttp.ClientSession, body: bytes, kind: str, status: int, code: str
) -> None:
    """Invalid JSON, not an object, another content type, or too large: each has its code, and nothing is started."""
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
async def test_the_list_needs_the_key(relay: Running, credential: str | None, status: int) -> None:
    """Any other credential is a 401 with `WWW-Authenticate`."""
    headers = {} if credential is None else {"Authorization": credential}
    async with aiohttp.ClientSession(relay.url, headers=headers) as client, client.get("/v1/tasks") as answer:
        assert answer.status == status
        if status == 401:
            assert (await problem_of(answer))["code"] == "unauthorized"
            assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_a_key_in_the_url_is_rejected(relay: Running) -> None:
    """URLs end up in logs."""
    async with (
        aiohttp.ClientSession(relay.url) as client,
        client.post("/v1/tasks", json=GOOD, params={"token": relay.api_key}) as answer,
    ):
        assert (await problem_of(answer))["code"] == "unauthorized"


async def test_a_viewer_token_allows_its_scope_on_its_task_only(relay: Running, start: Start) -> None:
    """The scope `view` does not include `cancel` or `input`, other tasks, or calls that need a key."""
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


async def test_a_tag_token_allows_the_tasks_of_its_tag_only(relay: Running, start: Start) -> None:
    """It is minted here as another backend would."""
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
async def test_a_token_with_invalid_claims_is_rejected(relay: Running, claims: Message) -> None:
    """It is signed, but has invalid times, no subject, two subjects, or another audience."""
    token = jwt.encode(claims, relay.context.access._secret, algorithm="HS256")
    async with (
        aiohttp.ClientSession(relay.url, headers={"Authorization": f"Bearer {token}"}) as viewer,
        viewer.get("/v1/tasks/t") as answer,
    ):
        assert (await problem_of(answer))["code"] == "unauthorized"


def signed(claims: Message, secret: str, algorithm: str, digest: str) -> str:
    """Sign claims with the relay's secret under the name of another algorithm."""
    parts = [urlsafe_b64encode(orjson.dumps(part)).rstrip(b"=") for part in ({"alg": algorithm, "typ": "JWT"}, claims)]
    signature = hmac.digest(secret.encode(), b".".join(parts), digest)
    return b".".join([*parts, urlsafe_b64encode(signature).rstrip(b"=")]).decode()


async def test_a_token_of_another_algorithm_is_rejected(relay: Running) -> None:
    """Only HS256 is accepted, whatever the token's header says."""
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
        assert (await problem_of(answer))["code"] == "not_found"  # the token itself is valid
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
        ("PUT", "/v1/tasks", "method_not_allowed"),
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
async def test_every_invalid_url_has_its_problem(
    client: aiohttp.ClientSession, relay: Running, method: str, path: str, code: str
) -> None:
    """Unknown tasks, paths and methods, and invalid queries."""
    url = URL(relay.url + path, encoded=True)
    async with client.request(method, url) as answer:
        assert (await problem_of(answer))["code"] == code


async def test_a_method_that_is_not_allowed_lists_those_that_are(client: aiohttp.ClientSession) -> None:
    """https://www.rfc-editor.org/rfc/rfc9110#section-15.5.6"""
    for path, allowed in (
        ("/v1/tasks", "DELETE, GET, HEAD, POST"),
        ("/v1/tasks/x/cancel", "POST"),
        ("/livez", "GET, HEAD"),
    ):
        async with client.put(path) as answer:
            assert (await problem_of(answer))["code"] == "method_not_allowed"
            assert answer.headers["Allow"] == allowed


async def test_an_invalid_query_names_its_parameter(client: aiohttp.ClientSession, start: Start) -> None:
    """Like a body."""
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
async def test_a_header_of_any_bytes_is_a_client_error(relay: Running, line: bytes) -> None:
    """Headers that are not UTF-8 or not well-formed are answered with 4xx, never with 500."""
    address = urlsplit(relay.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(b"GET /v1/tasks/nobody HTTP/1.1\r\nConnection: close\r\nHost: \xff\r\n" + line + b"\r\n\r\n")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()

    assert answer.startswith(b"HTTP/1.1 4")
    assert b"application/problem+json" in answer


async def test_an_internal_error_is_not_disclosed(
    client: aiohttp.ClientSession, relay: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its message goes to the log only."""

    async def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("something private")

    monkeypatch.setattr(relay.journal, "snapshot", fail)
    async with client.get("/v1/tasks/x") as answer:
        problem = await problem_of(answer)

    assert (answer.status, problem["code"]) == (500, "internal")
    assert "private" not in str(problem)


async def test_the_body_of_a_mint_is_optional(client: aiohttp.ClientSession, start: Start) -> None:
    """The default is the scope `view` for a day. Invalid bodies are rejected."""
    made = await start(HELD)
    path = f"/v1/tasks/{made['task']['id']}/tokens"
    async with client.post(path) as answer:
        minted = await answer.json()
        assert (answer.status, set(minted)) == (200, {"token", "expires_at", "jti", "links"})
    async with client.post(path, json={"scope": "view cancel input", "ttl": 60}) as answer:
        assert (await answer.json())["expires_at"] < minted["expires_at"]
    for body in ({"scope": "admin"}, {"scope": ""}, {"scope": "view  cancel"}, {"ttl": 0}, {"ttl": 10**12}, {"x": 1}):
        async with client.post(path, json=body) as answer:
            assert (await problem_of(answer))["code"] == "invalid_input"


async def test_the_log_is_read_in_pages(client: aiohttp.ClientSession, start: Start) -> None:
    """`next` is the `after` of the next page, and null at the end."""
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
