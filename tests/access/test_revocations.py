"""Tokens and sign-in links are revoked: one by one, or with all others of a task or a tag; on every node."""

import asyncio
import time
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from relay.access import revocations as module
from relay.access.grants import Access, revocation
from relay.access.revocations import RevocationWatch, Revoked, TokenId
from relay.app import Running
from relay.cli.main import cli
from relay.errors import RequestError
from relay.journal.memory_audit import MemoryRevocations
from relay.journal.revocations import Kind, Revocation
from relay.journal.sqlite import SQLiteJournal

SECRET = "a-token-secret-of-thirty-two-chars"
NOW = 1_764_115_200.0
HELD = {
    "model": "bytedance/text-to-image-seedream-v4",
    "input": {"prompt": "a cat [sandbox: hold_at=task_queue]"},
    "tags": ["campaign"],
}

names = st.sampled_from("ab")
times = st.integers(0, 5).map(float)
tokens = st.builds(TokenId, st.sampled_from([Kind.TASK, Kind.TAG]), names, st.none() | names, times)
revocations = st.builds(Revocation, kind=st.sampled_from(Kind), name=names, at=times, expires_at=st.just(9.0))


@given(st.lists(revocations), tokens)
def test_a_token_is_revoked_by_its_id_or_if_it_is_not_newer_than_a_revocation(
    added: list[Revocation], token: TokenId
) -> None:
    """The order of other revocations does not matter."""
    revoked = Revoked()
    latest = {(each.kind, each.name): each for each in sorted(added, key=lambda each: each.at)}
    for each in latest.values():
        revoked.add(each)
    assert revoked.covers(token) is any(
        (each.kind is Kind.JTI and each.name == token.jti)
        or (each.kind is token.subject and each.name == token.name and token.issued_at <= each.at)
        for each in added
    )
    revoked.forget(9.5)
    assert not revoked.covers(token)


def test_a_token_that_is_minted_after_a_revocation_is_valid() -> None:
    """Even within the same second. Tokens without `iat` count as older."""
    now, revoked = NOW, Revoked()
    access = Access([], SECRET, lambda: now, revoked)
    before, _ = access.mint_tag("campaign", scope="view", ttl_s=60)
    revoked.add(revocation(Kind.TAG, "campaign", now + 0.2))
    now += 0.4
    after, _ = access.mint_tag("campaign", scope="view", ttl_s=60)
    assert access.check(after).tag == "campaign"
    claims = {"tag": "campaign", "exp": NOW + 60}
    for revoked_token in (before, jwt.encode(claims, SECRET), jwt.encode(claims | {"iat": int(NOW)}, SECRET)):
        with pytest.raises(RequestError, match="has been revoked"):
            access.check(revoked_token)
    assert access.check(jwt.encode(claims | {"iat": NOW + 1}, SECRET)).tag == "campaign"
    with pytest.raises(RequestError, match="neither an API key nor a valid token"):
        access.check(jwt.encode(claims | {"jti": 7}, SECRET))


async def test_every_node_learns_of_a_revocation(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the store: those from before it has started, and later ones."""
    monkeypatch.setattr(module, "POLL_S", 0.0)
    stored, told = MemoryRevocations(), asyncio.Event()
    ours, theirs = Revoked(), Revoked()
    early, late = TokenId(Kind.TASK, "early", None, 1.0), TokenId(Kind.TASK, "late", None, 1.0)
    async with RevocationWatch(stored, ours, lambda: 2.0, lambda: None) as watch:
        await watch.add(Revocation(kind=Kind.TASK, name="early", at=2.0, expires_at=9.0))
        async with RevocationWatch(stored, theirs, lambda: 2.0, told.set):
            assert theirs.covers(early)
            assert not theirs.covers(late)
            told.clear()
            await watch.add(Revocation(kind=Kind.TASK, name="late", at=2.0, expires_at=9.0))
            assert ours.covers(late)
            await told.wait()
            assert theirs.covers(late)


async def answered(client: aiohttp.ClientSession, path: str, token: str) -> int:
    async with client.get(path, headers={"Authorization": f"Bearer {token}"}) as answer:
        return answer.status


async def minted(client: aiohttp.ClientSession, path: str, **body: Any) -> dict[str, Any]:
    async with client.post(path, json=body) as answer:
        assert answer.status == 200, await answer.text()
        made: dict[str, Any] = await answer.json()
        return made


async def test_one_token_is_revoked_and_others_are_not(client: aiohttp.ClientSession) -> None:
    """By the id in the response to the mint, and again without effect. It is in the audit."""
    async with client.post("/v1/tasks", json=HELD) as answer:
        made = await answer.json()
    path = f"/v1/tasks/{made['task']['id']}"
    one, other = await minted(client, f"{path}/tokens"), await minted(client, f"{path}/tokens")
    for _ in range(2):
        await minted(client, "/v1/tokens/revoke", jti=one["jti"])
    assert [await answered(client, path, each) for each in (one["token"], other["token"], made["token"])] == [
        *(401, 200, 200)
    ]
    async with client.get("/v1/audit", params={"action": "revoke"}) as answer:
        assert [each["jti"] for each in (await answer.json())["entries"]] == [one["jti"]] * 2
    await minted(client, "/v1/tokens/revoke", task=made["task"]["id"])
    assert [await answered(client, path, each) for each in (other["token"], made["token"])] == [401, 401]
    assert await answered(client, path, (await minted(client, f"{path}/tokens"))["token"]) == 200
    for wrong in ({}, {"jti": "a", "task": "b"}, {"task": "\0"}, {"logins": False}, {"jti": ""}, {"tag": "a\nb"}):
        async with client.post("/v1/tokens/revoke", json=wrong) as answer:
            assert answer.status == 422, wrong


async def test_open_viewers_end_as_if_their_token_had_expired(client: aiohttp.ClientSession, relay: Running) -> None:
    """On every wire. Those with an API key or with another token stay."""
    async with client.post("/v1/tasks", json=HELD) as answer:
        task = (await answer.json())["task"]["id"]
    board = (await minted(client, "/v1/tokens", tag="campaign"))["token"]
    single = (await minted(client, f"/v1/tasks/{task}/tokens"))["token"]
    stream = {"Accept": "text/event-stream"}
    async with (
        aiohttp.ClientSession(relay.url) as page,
        page.ws_connect(f"/v1/tasks/{task}/ws", params={"token": board}) as socket,
        page.ws_connect("/v1/ws", params={"token": board}) as many,
        page.get(f"/v1/tasks/{task}/events", params={"token": board}, headers=stream) as events,
        page.ws_connect(f"/v1/tasks/{task}/ws", params={"token": single}) as other,
        client.ws_connect("/v1/ws") as operator,
    ):
        for each in (many, operator):
            await each.send_json({"type": "subscribe", "tag": "campaign"})
            while orjson.loads(await each.receive_str())["type"] != "listed":
                pass
        for single_viewer in (socket, other):
            assert orjson.loads(await single_viewer.receive_str())["type"] == "snapshot"
        assert await events.content.readline()
        await minted(client, "/v1/tokens/revoke", tag="campaign")
        assert (await socket.receive()).data == 4002
        refused = orjson.loads(await many.receive_str())
        assert (refused["code"], refused["tag"]) == ("token_expired", "campaign")
        assert b"token_expired" in await events.read()
        await many.send_json({"type": "subscribe", "tag": "campaign"})
        assert orjson.loads(await many.receive_str())["code"] == "unauthorized"
        assert relay.context.hub.viewers == 3
        async with page.ws_connect(f"/v1/tasks/{task}/ws", params={"token": board}) as late:
            assert (await late.receive()).data == 4500
        assert not other.closed
        assert not operator.closed


async def test_sign_in_links_are_revoked(client: aiohttp.ClientSession, relay: Running) -> None:
    """Those that are made later are valid."""
    code = relay.context.login_codes.make()
    await minted(client, "/v1/tokens/revoke", logins=True)
    async with client.post("/v1/login", json={"code": code}) as answer:
        assert answer.status == 401


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("task1",), (Kind.TASK, "task1")),
        (("--tag", "campaign"), (Kind.TAG, "campaign")),
        (("--jti", "id1"), (Kind.JTI, "id1")),
    ],
    ids=str,
)
def test_the_command_revokes(
    arguments: tuple[str, ...], expected: tuple[Kind, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the store, where running relays find it."""
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(cli, ["token", "--revoke", *arguments]).exit_code == 1  # there is no store

    async def stored() -> list[Revocation]:
        journal = SQLiteJournal(Path("relay.db"))
        await journal.open(lock=False)
        found = await journal.revocations.since(0)
        await journal.close()
        return list(found.revocations)

    assert asyncio.run(stored()) == []
    assert CliRunner().invoke(cli, ["token", "--revoke", *arguments]).exit_code == 0
    (found,) = asyncio.run(stored())
    assert (found.kind, found.name) == expected
    assert abs(found.at - time.time()) < 60


@pytest.mark.parametrize(
    "arguments", [("--revoke",), ("--revoke", "t", "--tag", "g"), ("--jti", "x"), ("t", "--jti", "x")], ids=str
)
def test_the_command_needs_one_target(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """Otherwise, nothing is revoked or minted."""
    store = {"RELAY_STORE": f"sqlite:///{tmp_path}/relay.db", "RELAY_TOKEN_SECRET": SECRET}
    assert CliRunner().invoke(cli, ["token", *arguments], env=store).exit_code == 2
