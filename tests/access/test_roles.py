"""Named API keys, and what their roles allow: each call of the route table, as docs/protocol.md lists it."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import aiohttp
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from relay.access.roles import RIGHTS
from relay.app import Running
from relay.cli.reload import reload
from relay.config import Config
from relay.config.api_keys import MIN_KEY_CHARS, ApiKey, Role, parse_api_key
from relay.web.api.route import Route
from relay.web.api.routes import ROUTES

MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]

ROLES: tuple[Role, ...] = ("read", "start", "admin")
"""Each role may do what those before it may."""

KEY: dict[str, str] = {role: f"the-key-with-the-role-{role}" for role in ROLES}
ENTRIES = tuple(f"{role}-key={KEY[role]}:{role}" for role in ROLES)
TASK = {"model": "bytedance/text-to-image-seedream-v4", "input": {"prompt": "a cat [sandbox: hold_at=task_queue]"}}
STREAM = {"Accept": "text/event-stream"}


def as_role(role: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {KEY[role]}"}


def documented() -> dict[tuple[str, str], str]:
    """Return the least role of each call, from the table in docs/protocol.md."""
    text = (Path(__file__).parents[2] / "docs/protocol.md").read_text()
    rows = re.findall(r"^\| `(GET|POST|DELETE) (/v1/\S+)` \| (read|start|admin)\b", text, re.MULTILINE)
    return {(method.lower(), path): role for method, path, role in rows}


def is_websocket(route: Route) -> bool:
    return 101 in route.responses


@pytest.fixture
async def relay(make_relay: MakeRelay) -> AsyncIterator[Running]:
    async with make_relay(api_keys=ENTRIES) as started:
        yield started


def test_every_call_with_a_credential_is_documented_with_its_least_role() -> None:
    """The table of roles is the one of the code."""
    least = {
        (route.method, route.path): next(role for role in ROLES if route.needs in RIGHTS[role])
        for route in ROUTES
        if not route.public or route.path == "/v1/events"
    }
    assert least == documented()


def test_roles_are_nested() -> None:
    """The documents name the least role of a call, so each role includes the one before it."""
    assert RIGHTS["read"] < RIGHTS["start"] < RIGHTS["admin"]


async def test_each_role_may_make_the_calls_that_are_documented_and_no_others(relay: Running) -> None:
    """An allowed call fails later, because there is no such task, or because the body is missing."""
    async with aiohttp.ClientSession(relay.url) as client:
        for (method, path), least in documented().items():
            address = path.replace("{id}", "absent").replace("{n}", "0").replace("{name}", "x").format(owner="a")
            if path.endswith("/ws"):
                continue
            for role in ROLES:
                async with client.request(method, address, headers=as_role(role)) as answer:
                    allowed = ROLES.index(role) >= ROLES.index(least)
                    assert (answer.status not in (401, 403)) is allowed, (role, method, path, answer.status)
                    if not allowed:
                        problem = await answer.json()
                        assert problem["code"] == "forbidden"
                        assert f"this key has the role `{role}`" in problem["detail"]


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_may_read_the_metrics(relay: Running, role: Role) -> None:
    """Prometheus needs no more than a `read` key."""
    async with aiohttp.ClientSession(relay.url) as client, client.get("/metrics", headers=as_role(role)) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_may_follow_all_tasks(relay: Running, role: Role) -> None:
    """With the key in the header of a WebSocket, in its messages, and in both bodies of `/v1/events`."""
    everything = {"type": "subscribe", "all": True}
    async with aiohttp.ClientSession(relay.url) as client:
        async with client.ws_connect("/v1/ws", headers=as_role(role)) as socket:
            await socket.send_json(everything)
            assert orjson.loads(await socket.receive_str())["type"] == "listed"
        async with client.ws_connect("/v1/ws") as socket:
            await socket.send_json(everything | {"token": KEY[role]})
            assert orjson.loads(await socket.receive_str())["type"] == "listed"
        body = {"subscriptions": [{"all": True, "token": KEY[role]}]}
        async with client.post("/v1/events", json=body) as answer:
            assert (await answer.json())["messages"][0]["type"] == "listed"


async def test_a_token_never_allows_more_than_the_key_that_minted_it(relay: Running) -> None:
    """For a task and for a tag."""
    async with aiohttp.ClientSession(relay.url) as client:
        async with client.post("/v1/tasks", json=TASK, headers=as_role("start")) as answer:
            assert answer.status == 201
            task = (await answer.json())["task"]["id"]
        for path, fields in ((f"/v1/tasks/{task}/tokens", {}), ("/v1/tokens", {"tag": "shop"})):
            for role, scope, status in (
                ("read", "view input", 200),
                ("read", "view cancel", 403),
                ("start", "view cancel input", 200),
                ("admin", "view cancel input", 200),
            ):
                async with client.post(path, json={"scope": scope, **fields}, headers=as_role(role)) as answer:
                    assert (answer.status, role, scope) == (status, role, scope)


async def test_a_reload_changes_the_role_of_a_key(
    relay: Running, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its open connections are closed, so that each authenticates again."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"RELAY_API_KEYS=start-key={KEY['start']}:read,{KEY['admin']}\n")
    async with aiohttp.ClientSession(relay.url, headers=as_role("start")) as client:
        async with client.ws_connect("/v1/ws") as socket:
            await socket.send_json({"type": "subscribe", "all": True})
            assert orjson.loads(await socket.receive_str())["type"] == "listed"
            await reload(relay)
            assert (await socket.receive()).data == 4005
        async with client.get("/v1/tasks") as answer:
            assert answer.status == 200
        async with client.post("/v1/tasks", json=TASK) as answer:
            assert answer.status == 403
    grant = relay.context.access.check(KEY["start"])
    assert (grant.name, grant.role) == ("start-key", "read")


def test_a_browser_signs_in_with_the_first_admin_key(relay: Running) -> None:
    """It is the third of these keys."""
    assert relay.api_key == KEY["admin"]


@pytest.mark.parametrize(
    ("entry", "parsed"),
    [
        ("k" * 24, ApiKey(key="k" * 24)),
        ("shop=" + "k" * 24, ApiKey(name="shop", key="k" * 24)),
        ("shop=" + "k" * 24 + ":start", ApiKey(name="shop", key="k" * 24, role="start")),
        ("a_b-1=" + "k" * 24 + ":read", ApiKey(name="a_b-1", key="k" * 24, role="read")),
        ("shop=" + "k" * 24 + ":start:read", ApiKey(name="shop", key="k" * 24 + ":start", role="read")),
        ("shop=" + "k" * 24 + ":start:u:7", ApiKey(name="shop", key="k" * 24, role="start", tag="u:7")),
        ("shop=" + "k" * 24 + ":read:start u", ApiKey(name="shop", key="k" * 24, role="read", tag="start u")),
        ("shop=" + "k" * 24 + ":reader", ApiKey(name="shop", key="k" * 24 + ":reader")),
        ("shop=" + "k" * 22 + "==", ApiKey(name="shop", key="k" * 22 + "==")),
        # Otherwise the whole is the key.
        ("shop=" + "k" * 23, ApiKey(key="shop=" + "k" * 23)),
        ("Shop=" + "k" * 24, ApiKey(key="Shop=" + "k" * 24)),
        ("n" * 33 + "=" + "k" * 24, ApiKey(key="n" * 33 + "=" + "k" * 24)),
        ("=" + "k" * 24, ApiKey(key="=" + "k" * 24)),
        ("k" * 24 + "==", ApiKey(key="k" * 24 + "==")),
        ("k" * 24 + ":read", ApiKey(key="k" * 24 + ":read")),
    ],
    ids=str,
)
def test_an_entry_has_a_name_only_if_a_whole_key_follows_it(entry: str, parsed: ApiKey) -> None:
    """Keys from before there were names mean the same as before."""
    assert parse_api_key(entry) == parsed


@given(st.text(alphabet=[chr(code) for code in range(32, 127)], max_size=80))
def test_any_entry_is_a_key_of_at_least_24_characters_or_is_refused(entry: str) -> None:
    """The key is a part of the entry, and nothing of it is shown."""
    try:
        parsed = parse_api_key(entry)
    except ValueError as error:
        refusal = str(error)
    else:
        assert len(parsed.key) >= MIN_KEY_CHARS
        assert parsed.key in entry
        assert parsed.key not in f"{parsed!r} {parsed}"
        return
    assert len(entry) < MIN_KEY_CHARS or re.search(r":(admin|start|read)(:.+)?$", entry)
    assert len(entry) < MIN_KEY_CHARS or entry not in refusal


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (("shop=" + "k" * 20 + ":read",), "the key `shop` needs at least 24 characters before `:read`"),
        (("shop=" + "k" * 20 + ":read:tag",), "the key `shop` needs at least 24 characters before `:read`"),
        (("shop=" + "k" * 24 + ":admin:tag",), "its role must be `start` or `read`"),
        (("shop=" + "k" * 24 + ":read:" + "t" * 65,), "a tag must have at most 64 characters"),
        (("a=" + "k" * 24, "b=" + "k" * 24), "one key is listed as a (admin) and as b (admin)"),
        (("a=" + "k" * 24 + ":read", "k" * 24), "one key is listed as a (read) and as (no name) (admin)"),
    ],
)
def test_entries_that_could_mean_two_things_are_refused(entries: tuple[str, ...], message: str) -> None:
    """A key that is too short for its role would otherwise be a longer one that may do everything."""
    with pytest.raises(ValidationError, match=re.escape(message)) as caught:
        Config.model_validate({"api_keys": entries})
    assert "kkkk" not in str(caught.value)


def test_a_key_may_be_listed_twice_and_two_keys_may_have_one_name() -> None:
    """As while a key is rotated."""
    config = Config.model_validate({"api_keys": ("a=" + "k" * 24, "a=" + "n" * 24, "a=" + "k" * 24)})
    assert [key.name for key in config.keys] == ["a", "a", "a"]
