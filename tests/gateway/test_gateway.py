"""
Wiro's calls and socket, served by the relay: routes.py, runs.py, tasks.py, tools.py, files.py, socket.py, bodies.py,
credentials.py and envelope.py together, over a simulated Wiro.
"""

import time
from typing import Any

import aiohttp
import pytest

from relay.access.grants import revocation
from relay.access.start_rules import StartLimits, StartRules
from relay.app import Running
from relay.gateway import socket as gateway_socket
from relay.gateway import tasks as gateway_tasks
from relay.journal.revocations import Kind
from relay.sandbox import Sandbox
from tests.gateway.conftest import UNSIGNED_KEY, MakeRelay, WiroClient, signed
from tests.sample_files import png

RUN = "Run/bytedance/text-to-image-seedream-v4"
INPUT = {"prompt": "A mountain lake at dawn."}
HELD = {"prompt": "A lake [sandbox: hold_at=task_start]"}
STAGES = ["task_queue", "task_accept", "task_preprocess_start", "task_preprocess_end", "task_assign", "task_start"]


async def test_a_run_is_followed_to_its_result(wiro: WiroClient, relay: Running, sandbox: Sandbox) -> None:
    """As at Wiro: each stage once, progress as texts, the outputs in the last frame; the record says the same."""
    given = {"prompt": "A mountain lake at dawn. [sandbox: await_subscriber]"}
    run = await wiro(RUN, {**given, "callbackUrl": "your webhook address, optional", "projectid": "7"})
    assert run["result"] is True
    frames = [frame async for frame in wiro.frames(run["socketaccesstoken"])]

    stages = [frame["type"] for frame in frames if frame["type"] not in ("task_output", "task_error")]
    in_order = [*STAGES, "task_end", "task_postprocess_start", "task_postprocess_end"]
    assert stages == [stage for stage in in_order if stage in stages]
    assert {*in_order} - {*stages} <= {"task_queue"}  # it may become known late
    assert all(frame["id"] == run["taskid"] and frame["tasktoken"] == run["socketaccesstoken"] for frame in frames)
    progress = [frame["message"] for frame in frames if isinstance(frame["message"], dict)]
    assert all(isinstance(value, str) for message in progress for value in message.values())
    last = frames[-1]
    assert (last["terminal"], last["success"], last["exitCode"]) == (True, True, 0)
    assert last["message"][0]["contenttype"] == "image/png"

    detail = await wiro("Task/Detail", {"tasktoken": run["socketaccesstoken"]}, accept="*/*")
    (task,) = detail["tasklist"]
    assert (task["status"], task["pexit"], task["outputs"]) == ("task_postprocess_end", "0", last["message"])
    assert (task["id"], task["socketaccesstoken"]) == (run["taskid"], run["socketaccesstoken"])
    assert task["parameters"] == {}
    by_key = await wiro("Task/Detail", {"taskid": run["taskid"]})
    assert by_key["tasklist"][0]["parameters"] == given
    (sent,) = sandbox.runs
    assert {field.name for field in sent.fields} == {"prompt"}


async def test_who_joins_late_gets_everything_at_once(wiro: WiroClient) -> None:
    """Wiro itself sends nothing about what has passed."""
    run = await wiro(RUN, INPUT)
    async for _ in wiro.frames(run["socketaccesstoken"]):
        pass
    late = [frame["type"] async for frame in wiro.frames(run["socketaccesstoken"])]
    assert late[:6] == STAGES
    assert late[-1] == "task_postprocess_end"


async def test_an_answer_is_sent_as_a_whole_each_time(wiro: WiroClient) -> None:
    """Thinking and answer are lists, as in Wiro's frames, and the last one has the whole answer."""
    run = await wiro("Run/wiro/sandbox-chat", {"prompt": "Tell me about lakes."})
    frames = [frame async for frame in wiro.frames(run["socketaccesstoken"])]
    answers = [
        frame["message"] for frame in frames if isinstance(frame["message"], dict) and "answer" in frame["message"]
    ]
    assert answers
    assert answers[-1]["answer"][0].startswith(answers[0]["answer"][0] if answers[0]["answer"] else "")
    assert frames[-1]["message"][0]["content"]["answer"] == answers[-1]["answer"]


async def test_a_task_is_stopped_listed_and_deleted(wiro: WiroClient) -> None:
    """Cancel is for tasks in a queue and Kill for all; what ended cannot be stopped."""
    run = await wiro(RUN, HELD)
    async for frame in wiro.frames(run["socketaccesstoken"]):
        if frame["type"] == "task_start":
            break
    assert (await wiro("Task/Cancel", {"taskid": run["taskid"]}))["errors"] == [
        {"code": 1, "message": "Task is not in a cancellable state."}
    ]
    killed = await wiro("Task/Kill", {"socketaccesstoken": run["socketaccesstoken"]})
    assert killed["tasklist"][0]["status"] == "task_cancel"
    assert (await wiro("Task/Kill", {"taskid": run["taskid"]}))["errors"][0]["message"].startswith("Task could not be")
    frames = [frame async for frame in wiro.frames(run["socketaccesstoken"])]
    assert (frames[-1]["type"], frames[-1]["message"], frames[-1]["success"]) == ("task_cancel", None, False)

    await wiro(RUN, INPUT)
    listed = await wiro("Task/List", {"start": "1", "limit": "1", "order": "DESC"})
    assert (listed["total"], [task["id"] for task in listed["tasklist"]]) == ("2", [run["taskid"]])
    assert (await wiro("Task/InputOutputDelete", {"tasktoken": run["socketaccesstoken"]}))["result"] is True
    assert (await wiro("Task/Detail", {"taskid": run["taskid"]}))["errors"] == [
        {"code": 1, "message": "There is no task yet."}
    ]


@pytest.mark.parametrize("body", ["json as form", "form", "multipart"])
async def test_bodies_come_in_every_form_that_clients_send(wiro: WiroClient, sandbox: Sandbox, body: str) -> None:
    """`curl -d` labels JSON as a form; some clients send nothing but forms; files come as multipart."""
    data: Any = {
        "json as form": b'{"prompt": "A lake.", "seed": ""}',
        "form": {"prompt": "A lake.", "seed": ""},
        "multipart": aiohttp.FormData({"prompt": "A lake.", "seed": ""}),
    }[body]
    headers = signed()
    if body == "multipart":
        data.add_field("inputImage", png(), filename="lake.png")
    elif body == "json as form":
        headers |= {"Content-Type": "application/x-www-form-urlencoded"}
    async with wiro.session.post(f"{wiro.base}/Run/bytedance/seedream-v4", data=data, headers=headers) as answer:
        assert (await answer.json())["result"] is True
    (sent,) = sandbox.runs
    values = {field.name: field.value for field in sent.fields}
    assert (values["prompt"], values["seed"]) == ("A lake.", "")
    assert ("inputImage" in values) is (body == "multipart")


async def test_the_models_are_those_of_the_platform(wiro: WiroClient, sandbox: Sandbox) -> None:
    """Passed on unchanged, once in ten minutes."""
    fields = {"slugowner": "bytedance", "slugproject": "seedream-v4"}
    first = await wiro("Tool/Detail", fields)
    assert first["tool"][0]["slugproject"] == "seedream-v4"
    assert await wiro("Tool/Detail", fields) == first
    assert (await wiro("Tool/List", {"search": "video", "limit": "5"}))["tool"]
    assert (await wiro("Tool/Explore"))["explore"]


async def test_files_go_to_the_platforms_store(wiro: WiroClient) -> None:
    """Into a folder, too."""
    folder = await wiro("File/FolderCreate", {"name": "lakes"})
    form = aiohttp.FormData({"folderid": folder["list"][0]["id"]})
    form.add_field("file", png(), filename="lake.png")
    async with wiro.session.post(f"{wiro.base}/File/Upload", data=form, headers=signed()) as answer:
        (file,) = (await answer.json())["list"]
    assert (file["name"], file["parentid"]) == ("lake.png", folder["list"][0]["id"])
    assert file["url"].startswith("http")


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"accept": "*/*"}, "Project authorization is not founded."),
        ({"x-api-key": "unknown-unknown-unknown-unknown"}, "The credential is neither an API key nor a valid token."),
        ({"x-api-key": signed()["x-api-key"]}, "Project requires signature authentication. x-signature and x-nonce"),
        (
            {"Authorization": f"Bearer {signed()['x-api-key']}"},
            "Project requires signature authentication. x-signature and x-nonce",
        ),
        (signed() | {"x-nonce": "1"}, "Project authorization is not valid."),
        (signed(UNSIGNED_KEY), "Project authorization is not valid."),
    ],
)
async def test_a_wrong_credential_is_refused_in_wiros_words(
    wiro: WiroClient, headers: dict[str, str], message: str
) -> None:
    """With 401, at which clients do not try again. A signature that cannot be verified is never ignored."""
    refused = await wiro(RUN, INPUT, **headers)
    assert (refused["status"], refused["result"]) == (401, False)
    assert refused["errors"][0]["message"].startswith(message)


async def test_a_key_without_a_secret_and_a_token_of_a_tag_are_credentials(wiro: WiroClient, relay: Running) -> None:
    """A token sees the tasks of its tag, and what its scopes allow."""
    run = await wiro(RUN, INPUT, **{"x-api-key": UNSIGNED_KEY})
    assert run["result"] is True
    token, _ = relay.context.access.mint_tag("shop", scope="view cancel", ttl_s=60)
    bearer = {"Authorization": f"Bearer {token}"}
    assert (await wiro("Task/List", {}, **bearer))["tasklist"] == []
    assert (await wiro("Task/Detail", {"taskid": run["taskid"]}, **bearer))["errors"][0][
        "message"
    ] == "There is no task yet."
    assert (await wiro(RUN, INPUT, **bearer))["errors"][0][
        "message"
    ] == "You don't have any permission for this action."


async def test_the_platforms_refusal_arrives_in_its_own_words(wiro: WiroClient) -> None:
    """With its code, by which clients decide."""
    refused = await wiro(RUN, {"prompt": "A lake [sandbox: run_error=97:Insufficient balance]"})
    assert refused["errors"] == [{"code": 97, "message": "Insufficient balance"}]
    unknown = await wiro("Run/no/such-model", INPUT)
    assert unknown["errors"] == [{"code": 1, "message": "slug-owner-project-not-exist"}]
    lost = await wiro("Bench/List")
    assert (lost["status"], lost["errors"][0]["message"]) == (404, "Error parsing url.")


async def test_a_bad_token_closes_the_socket_at_once(wiro: WiroClient, relay: Running) -> None:
    """Clients ask for the record then, and learn the reason. Messages that are no subscriptions are ignored."""
    async with wiro.session.ws_connect(wiro.base) as socket:
        await socket.receive_json()
        await socket.send_str("not json")
        await socket.send_json({"type": "ping"})
        await socket.send_json({"type": "task_info", "tasktoken": "unknown"})
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
        assert socket.close_code == 4500


async def test_a_socket_closes_a_while_after_its_last_task(wiro: WiroClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """And when its token expires."""
    monkeypatch.setattr(gateway_socket, "LINGER_S", 0.0)
    run = await wiro(RUN, INPUT)
    async with wiro.session.ws_connect(wiro.base) as socket:
        await socket.send_json({"type": "task_info", "tasktoken": run["socketaccesstoken"]})
        async for _ in socket:
            pass
        assert socket.close_code == 1000


async def test_a_token_that_expires_while_the_socket_is_open_closes_it(wiro: WiroClient, relay: Running) -> None:
    """As on the relay's own socket."""
    run = await wiro(RUN, HELD)
    token, _ = relay.context.access.mint(run["taskid"], scope="view", ttl_s=1)
    async with wiro.session.ws_connect(wiro.base) as socket:
        await socket.send_json({"type": "task_info", "tasktoken": token})
        async for _ in socket:
            pass
        assert socket.close_code == 4002


async def test_starts_and_stops_are_in_the_audit(wiro: WiroClient, relay: Running) -> None:
    """With the name of the key."""
    run = await wiro(RUN, HELD)
    await wiro("Task/Kill", {"taskid": run["taskid"]})
    headers = {"Authorization": f"Bearer {UNSIGNED_KEY}"}
    async with wiro.session.get(f"{relay.url}/v1/audit?task={run['taskid']}", headers=headers) as answer:
        entries = (await answer.json())["entries"]
    assert [(entry["action"], entry["key"]) for entry in entries] == [("cancel", "app"), ("start", "app")]


async def test_a_token_in_the_body_and_a_credential_in_the_header(wiro: WiroClient, relay: Running) -> None:
    """Clients send both to Task/Detail: the key shows the input, an expired token changes nothing, a wrong one does."""
    run = await wiro(RUN, INPUT)
    body = {"tasktoken": run["socketaccesstoken"]}
    expired, _ = relay.context.access.mint_tag("shop", scope="view", ttl_s=-1)

    async def inputs(**headers: str) -> Any:
        detail = await wiro("Task/Detail", body, **headers)
        return detail["tasklist"][0]["parameters"] if detail["result"] else detail["status"]

    assert await inputs() == INPUT
    assert await inputs(Authorization=f"Bearer {UNSIGNED_KEY}") == INPUT
    assert await inputs(Authorization=f"Bearer {expired}") == {}
    assert await inputs(**{"x-api-key": "unknown-unknown-unknown-unknown"}) == 401


async def test_a_list_is_filtered_and_has_both_orders(wiro: WiroClient) -> None:
    """`modelName` is any part of a model's name, as at Wiro."""
    first, second = await wiro(RUN, INPUT), await wiro("Run/wiro/sandbox-chat", {"prompt": "Why?", "session_id": "s"})

    async def ids(**fields: str) -> list[str]:
        return [task["id"] for task in (await wiro("Task/List", fields))["tasklist"]]

    assert await ids() == [second["taskid"], first["taskid"]]
    assert await ids(order="ASC") == [first["taskid"], second["taskid"]]
    assert await ids(modelName="Seedream") == [first["taskid"]]
    assert await ids(modelName="wiro/sandbox-chat", start="1") == []


async def test_a_revoked_token_closes_the_socket(wiro: WiroClient, relay: Running) -> None:
    """As an expired one does, and it is refused when the client comes back."""
    run = await wiro(RUN, HELD)
    subscription = {"type": "task_info", "tasktoken": run["socketaccesstoken"]}
    async with wiro.session.ws_connect(wiro.base) as socket:
        await socket.send_json(subscription)
        while (await socket.receive_json())["type"] == "connected":
            pass
        await relay.context.revocations.add(revocation(Kind.TASK, run["taskid"], time.time() + 1))
        async for _ in socket:
            pass
        assert socket.close_code == 4002
    async with wiro.session.ws_connect(wiro.base) as socket:
        await socket.send_json(subscription)
        async for _ in socket:
            pass
        assert socket.close_code == 4500


async def test_a_wrong_token_on_the_socket_is_a_failed_login(wiro: WiroClient, relay: Running) -> None:
    """It is in the audit, as everywhere."""
    async with wiro.session.ws_connect(wiro.base) as socket:
        await socket.send_json({"type": "task_info", "tasktoken": "unknown"})
        async for _ in socket:
            pass
    headers = {"Authorization": f"Bearer {UNSIGNED_KEY}"}
    async with wiro.session.get(f"{relay.url}/v1/audit", headers=headers) as answer:
        assert [entry["action"] for entry in (await answer.json())["entries"]] == ["auth_failed"]


async def test_a_deleted_task_closes_the_socket(wiro: WiroClient, relay: Running) -> None:
    """Clients ask for the record then, and learn that there is no such task."""
    run = await wiro(RUN, INPUT)
    assert [frame async for frame in wiro.frames(run["socketaccesstoken"])]
    await relay.context.tasks.delete(run["taskid"], cancel=False, upstream=False)
    async with wiro.session.ws_connect(wiro.base) as socket:
        await socket.send_json({"type": "task_info", "tasktoken": run["socketaccesstoken"]})
        async for _ in socket:
            pass
        assert socket.close_code == 4504


async def test_a_socket_needs_a_subscription_and_a_slot(make_relay: MakeRelay, monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts as a viewer, and one that names no task is closed."""
    async with (
        make_relay(gateway="wiro", connection_limit=1) as relay,
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{relay.url}/wiro/v1") as first,
    ):
        await first.receive_json()
        async with session.ws_connect(f"{relay.url}/wiro/v1") as second:
            assert (await second.receive()).type is aiohttp.WSMsgType.CLOSE
            assert second.close_code == 4004
        await first.close()
        monkeypatch.setattr(gateway_socket, "FIRST_S", 0.0)
        async with session.ws_connect(f"{relay.url}/wiro/v1") as third:
            async for _ in third:
                pass
            assert third.close_code == 4505


async def test_a_relay_that_shuts_down_closes_its_sockets(make_relay: MakeRelay) -> None:
    """With the code that asks clients to come back soon."""
    async with aiohttp.ClientSession() as session:
        async with make_relay(gateway="wiro") as relay:
            socket = await session.ws_connect(f"{relay.url}/wiro/v1")
            await socket.receive_json()
        last = await socket.receive()
        assert (last.type, last.data) == (aiohttp.WSMsgType.CLOSE, 4001)


async def test_an_app_without_a_key_has_a_start_token(wiro: WiroClient, relay: Running) -> None:
    """As the bearer of the SDKs' proxy mode: it starts what it may, sees and stops its own tasks, and has limits."""
    rules = StartRules(models=["bytedance/*"], limits=StartLimits(running=1))
    token, _ = relay.context.access.mint_tag("user-42", scope="start view cancel", ttl_s=60, rules=rules)
    app = {"Authorization": f"Bearer {token}"}
    forbidden = [{"code": 0, "message": "You don't have any permission for this action."}]
    await wiro(RUN, INPUT)

    run = await wiro(RUN, HELD, **app)
    assert [frame["type"] async for frame in wiro.frames(run["socketaccesstoken"], until="task_start")]
    assert (await wiro("Run/wiro/sandbox-chat", {"prompt": "Why?", "session_id": "s"}, **app))["errors"] == forbidden
    limited = await wiro(RUN, INPUT, **app)
    assert (limited["status"], limited["result"]) == (429, False)
    listed = await wiro("Task/List", {}, **app)
    assert [task["id"] for task in listed["tasklist"]] == [run["taskid"]]
    assert (await wiro("Task/Detail", {"tasktoken": run["socketaccesstoken"]}, **app))["tasklist"][0][
        "parameters"
    ] == {}
    assert (await wiro("Task/Kill", {"socketaccesstoken": run["socketaccesstoken"]}, **app))["result"] is True
    assert (await wiro("Task/InputOutputDelete", {"taskid": run["taskid"]}, **app))["errors"] == forbidden
    assert (await wiro("File/FolderCreate", {"name": "lakes"}, **app))["errors"] == forbidden
    assert (await wiro(RUN, INPUT, **app))["result"] is True


@pytest.mark.parametrize("switch", ["run_http=502", "run_error=96:Too many tasks"])
async def test_a_start_that_is_unknown_or_must_wait_is_a_task(
    wiro: WiroClient, monkeypatch: pytest.MonkeyPatch, switch: str
) -> None:
    """An error would make clients send it again. It waits in a queue, and can be canceled."""
    monkeypatch.setattr(gateway_tasks, "STOPPED_S", 0.1)  # nothing can be stopped before the outcome is known
    run = await wiro(RUN, {"prompt": f"A lake [sandbox: {switch}]"})
    detail = await wiro("Task/Detail", {"taskid": run["taskid"]})
    assert (detail["tasklist"][0]["status"], detail["tasklist"][0]["pexit"]) == ("task_queue", "")
    assert (await wiro("Task/Cancel", {"tasktoken": run["socketaccesstoken"]}))["result"] is True
