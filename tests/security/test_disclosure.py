"""Responses, logs and caches contain no secrets and no versions."""

import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import aiohttp
import pytest

from relay.app import Running
from relay.journal.base import Claim
from relay.web.http.problems import UNMATCHED

MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]

KEYS = ("the-first-key-of-two-keys", "the-second-key-of-two-keys")
IMAGE = "bytedance/text-to-image-seedream-v4"
HELD = {"model": IMAGE, "input": {"prompt": "a cat [sandbox: hold_at=task_queue]"}}
SECRET = "eyJhbGciOiJIUzI1NiJ9.SECRET-IN-A-PATH.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("method", "path", "logged"),
    [
        ("GET", f"/v1/tasks/{SECRET}", "/v1/tasks/{id}"),
        ("POST", f"/v1/tasks/{SECRET}/cancel", "/v1/tasks/{id}/cancel"),
        ("GET", f"/v1/models/{SECRET}/x", "/v1/models/{owner}/{name}"),
        ("GET", f"/static/{SECRET}", "/static/{path}"),
        ("GET", f"/t/{SECRET}", "/t/{id}"),
        ("POST", f"/hooks/wiro/{SECRET}", "/hooks/…"),
        ("GET", f"/{SECRET}", UNMATCHED),
        ("DELETE", f"/v1/tasks/{SECRET}", "/v1/tasks/{id}"),
        ("PUT", f"/v1/tasks/{SECRET}", UNMATCHED),
        ("GET", "/v1/tasks/abcdefghijkmnpqrstuvwxyz23", "/v1/tasks/abcdefghijkmnpqrstuvwxyz23"),
        ("GET", "/relay/v1/tasks/abcdefghijkmnpqrstuvwxyz23", "/relay/v1/tasks/abcdefghijkmnpqrstuvwxyz23"),
    ],
)
async def test_a_path_is_logged_as_its_route(
    make_relay: MakeRelay, capfd: pytest.CaptureFixture[str], method: str, path: str, logged: str
) -> None:
    """A path may contain a key or a token. Neither the log nor the response repeats it."""
    async with (
        make_relay(public_url="https://example.com/relay") as relay,
        aiohttp.ClientSession(relay.url, headers={"Authorization": f"Bearer {relay.api_key}"}) as client,
        client.request(method, path) as answer,
    ):
        assert "SECRET" not in await answer.text()
    said = "".join(capfd.readouterr())
    assert "SECRET" not in said
    (line,) = re.findall(r"request\.answered.*", said)
    assert f"path={logged} " in line or f"path='{logged}'" in line


@pytest.mark.parametrize(
    "path", ["/", "/livez", "/v1/tasks", "/nothing", "/static/pages/dashboard.js", "/t/x", "/openapi.json"]
)
async def test_the_server_header_has_no_version(relay: Running, path: str) -> None:
    """Versions of Python and aiohttp would only help attackers."""
    async with aiohttp.ClientSession(relay.url) as client, client.get(path) as answer:
        assert answer.headers.getall("Server") == ["relay"]


async def test_responses_to_credentials_are_not_cached(relay: Running) -> None:
    """Wherever the credential is, and whatever the status is."""
    headers = {"Authorization": f"Bearer {relay.api_key}"}
    async with aiohttp.ClientSession(relay.url) as client:
        async with client.post("/v1/tasks", json=HELD, headers=headers) as answer:
            assert answer.headers["Cache-Control"] == "no-store"
            made = await answer.json()
        task, token = made["task"]["id"], made["token"]
        for below in ("", "/events", "/input", "/nothing"):
            for how in ({"params": {"token": token}}, {"headers": headers}):
                async with client.get(f"/v1/tasks/{task}{below}", **how) as answer:
                    assert "no-store" in answer.headers["Cache-Control"]
        stream = {"Accept": "text/event-stream"}
        async with client.get(f"/v1/tasks/{task}/events", params={"token": token}, headers=stream) as answer:
            assert answer.headers["Cache-Control"] == "no-cache, no-transform, no-store"
        async with client.get(f"/t/{task}", params={"token": token}) as answer:
            assert answer.headers["Cache-Control"] == "no-cache, no-store"


async def test_an_idempotency_key_belongs_to_an_api_key(make_relay: MakeRelay) -> None:
    """The same request with another API key starts another task and does not return the first one's token."""
    async with make_relay(api_keys=KEYS) as relay, aiohttp.ClientSession(relay.url) as client:
        made = []
        for key in (*KEYS, KEYS[0]):
            headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "order-1"}
            async with client.post("/v1/tasks", json=HELD, headers=headers) as answer:
                assert answer.status == 201
                made.append((await answer.json())["task"]["id"])
        assert made[0] == made[2] != made[1]


async def test_an_idempotency_key_of_an_older_store_is_found(
    make_relay: MakeRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that is retried after an upgrade starts no second task."""
    async with make_relay(api_keys=KEYS) as relay, aiohttp.ClientSession(relay.url) as client:
        headers = {"Authorization": f"Bearer {KEYS[0]}", "Idempotency-Key": "order-1"}
        async with client.post("/v1/tasks", json=HELD, headers=headers) as answer:
            task = (await answer.json())["task"]["id"]
        journal = relay.journal
        find = journal.find_claim

        async def as_it_was(key: str) -> Claim | None:
            (scoped,) = journal._claims  # type: ignore[attr-defined] # of the journal in memory
            return await find(scoped) if key == "order-1" else None

        monkeypatch.setattr(journal, "find_claim", as_it_was)
        async with client.post("/v1/tasks", json=HELD, headers=headers) as answer:
            assert (answer.status, (await answer.json())["task"]["id"]) == (201, task)


async def test_a_viewer_of_an_answer_does_not_get_the_prompt(client: aiohttp.ClientSession) -> None:
    """Wiro repeats it in the content of the answer. Only a token with `input` may read it."""
    hidden = "and keep this fox to yourself"
    body = {"model": "wiro/sandbox-chat", "input": {"prompt": f"Tell me in six short words {hidden}"}}
    async with client.post("/v1/tasks", json=body, headers={"Prefer": "wait=60"}) as answer:
        made = await answer.json()
    assert made["task"]["state"] == "succeeded"
    assert made["task"]["outputs"][0]["content"]["answer"]
    path, bearer = f"/v1/tasks/{made['task']['id']}", {"Authorization": f"Bearer {made['token']}"}
    for shown in (path, f"{path}/events?limit=1000"):
        async with client.get(shown, headers=bearer) as answer:
            assert answer.status == 200
            assert hidden not in await answer.text()
    async with client.get(f"{path}/input") as answer:
        assert hidden in await answer.text()
