"""The REST calls over real sockets: their shapes and their refusals."""

from collections.abc import AsyncIterator
from typing import cast

import aiohttp
import pytest

from relay.errors import ConfigError
from relay.sandbox import API_KEY, API_SECRET, Faults, Sandbox
from relay.sandbox.wiro.auth import sign

IMAGE = "bytedance/text-to-image-seedream-v4"
Body = dict[str, object]


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(speed=1000, accounts={"a-key": None, API_KEY: API_SECRET, "other-key": None}) as sandbox:
        yield sandbox


@pytest.fixture
async def http(sandbox: Sandbox) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers={"x-api-key": "a-key"}) as http:
        yield http


async def post(http: aiohttp.ClientSession, url: str, body: object, **headers: str) -> Body:
    async with http.post(url, json=body, headers=headers) as answer:
        return cast("Body", await answer.json())


async def run(sandbox: Sandbox, http: aiohttp.ClientSession, switches: str = "", **fields: object) -> tuple[str, str]:
    answer = await post(http, f"{sandbox.api_url}/Run/{IMAGE}", {"prompt": f"a cat [sandbox: {switches}]"} | fields)
    return str(answer["taskid"]), str(answer["socketaccesstoken"])


async def detail(sandbox: Sandbox, http: aiohttp.ClientSession, task_id: str) -> Body:
    answer = await post(http, f"{sandbox.api_url}/Task/Detail", {"taskid": task_id})
    entries = answer["tasklist"]
    assert isinstance(entries, list)
    return cast("Body", entries[0])


def refusal(answer: Body) -> tuple[int, str]:
    errors = answer["errors"]
    assert answer["result"] is False
    assert isinstance(errors, list)
    return errors[0]["code"], errors[0]["message"]


def test_the_signature_is_the_one_that_openssl_makes() -> None:
    """printf '%s' "${SECRET}${NONCE}" | openssl dgst -sha256 -hmac "${KEY}" gave this value."""
    expected = "ace59a547fca7df5259ca242fc7d9ebaa400f3562aad6528c29500f199480d45"

    assert sign("sandbox-key-of-no-worth", "sandbox-secret-of-no-worth", "1734513807") == expected


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"x-api-key": "nobody"}, "Project authorization is not founded."),
        (
            {"x-api-key": API_KEY},
            "Project requires signature authentication. x-signature and x-nonce headers are required.",
        ),
        (
            {"x-api-key": API_KEY, "x-nonce": "1", "x-signature": sign(API_KEY, API_SECRET, "2")},
            "Project authorization is not valid.",
        ),
        (
            {"x-api-key": API_KEY, "x-nonce": "1", "x-signature": sign(API_SECRET, API_KEY, "1")},
            "Project authorization is not valid.",
        ),
    ],
)
async def test_a_call_without_the_right_keys_is_401(
    sandbox: Sandbox, http: aiohttp.ClientSession, headers: dict[str, str], message: str
) -> None:
    """Each failure has its documented envelope."""
    async with http.post(f"{sandbox.api_url}/Tool/List", json={}, headers=headers) as answer:
        assert answer.status == 401
        assert refusal(await answer.json()) == (0, message)


async def test_a_signed_call_is_let_in(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """The key signs, the secret is part of the message."""
    answer = await post(
        http,
        f"{sandbox.api_url}/Tool/List",
        {},
        **{"x-api-key": API_KEY, "x-nonce": "17", "x-signature": sign(API_KEY, API_SECRET, "17")},
    )

    assert answer["result"] is True
    assert answer["total"] == "6"


async def test_a_nonce_may_be_good_for_one_call_only() -> None:
    """With `nonce_once` a replay is refused."""
    headers = {"x-api-key": API_KEY, "x-nonce": "17", "x-signature": sign(API_KEY, API_SECRET, "17")}
    async with Sandbox(nonce_once=True) as sandbox, aiohttp.ClientSession(headers=headers) as http:
        assert (await post(http, f"{sandbox.api_url}/Tool/List", {}))["result"] is True
        assert refusal(await post(http, f"{sandbox.api_url}/Tool/List", {}))[0] == 0


async def test_an_unknown_path_is_404_and_only_post_is_known(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Whatever is not a call gets the same envelope."""
    for method, path in [("POST", "/v1/Nothing"), ("GET", f"/v1/Run/{IMAGE}"), ("POST", "/v1"), ("GET", "/v1")]:
        async with http.request(method, sandbox.api_url.removesuffix("/v1") + path) as answer:
            assert answer.status == 404
            assert refusal(await answer.json()) == (0, "Error parsing url.")


async def test_run_answers_with_an_id_and_a_token(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """A slug is found in any case; the token is thirty letters and digits."""
    answer = await post(http, f"{sandbox.api_url}/Run/ByteDance/Text-To-Image-Seedream-V4", {"prompt": "a cat"})

    assert set(answer) == {"errors", "taskid", "socketaccesstoken", "result"}
    assert (answer["errors"], answer["result"]) == ([], True)
    assert str(answer["taskid"]) in sandbox.tasks
    assert len(str(answer["socketaccesstoken"])) == 30


@pytest.mark.parametrize(
    ("model", "body", "code", "message"),
    [
        ("nobody/nothing", {"prompt": "x"}, 1, "slug-owner-project-not-exist"),
        (IMAGE, {}, 0, "Request parameter [prompt] required"),
        (IMAGE, {"prompt": "x", "maxImages": "many"}, 0, "Request parameter [maxImages] must be integer or float"),
        (IMAGE, {"prompt": "x", "maxImages": 16}, 0, "Request parameter [maxImages] must be between 1 and 15"),
        (IMAGE, ["prompt"], 0, "Request parameters are invalid."),
        (IMAGE, {"prompt": "[sandbox: run_error=97:Insufficient balance]"}, 97, "Insufficient balance"),
    ],
)
async def test_a_refused_run_starts_nothing(
    sandbox: Sandbox, http: aiohttp.ClientSession, model: str, body: object, code: int, message: str
) -> None:
    """It says why, and it is on record as a Run without a task."""
    assert refusal(await post(http, f"{sandbox.api_url}/Run/{model}", body)) == (code, message)
    assert not sandbox.tasks
    assert [received.task_id for received in sandbox.runs] == [None]


async def test_json_under_a_multipart_header_may_be_refused(http: aiohttp.ClientSession) -> None:
    """The models' pages print it, so it is read; `boundaryless=refused` takes the header at its word."""
    headers = {"Content-Type": "multipart/form-data"}
    for faults, works in [(Faults(), True), (Faults(boundaryless="refused"), False)]:
        async with (
            Sandbox(accounts={"a-key": None}, faults=faults) as sandbox,
            http.post(f"{sandbox.api_url}/Run/{IMAGE}", data=b'{"prompt":"x"}', headers=headers) as answer,
        ):
            said = await answer.json()
        assert said["result"] is works
        if not works:
            assert refusal(said) == (0, "Request parameters are invalid.")


async def test_the_detail_of_a_finished_task_is_whole(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Numbers are text, elapsed is end less accept, the price follows from it, outputs are as many as asked."""
    task_id, token = await run(sandbox, http, maxImages=3, callbackUrl="", projectid="5")
    await sandbox.until(task_id, lambda task: task.verdict)
    shown = await detail(sandbox, http, task_id)

    assert (shown["id"], shown["socketaccesstoken"], shown["status"]) == (task_id, token, "task_postprocess_end")
    assert shown["pexit"] == "0"
    elapsed_s = int(str(shown["endtime"])) - int(str(shown["accepttime"]))
    assert shown["elapsedseconds"] == f"{elapsed_s:.4f}"
    assert shown["totalcost"] == (f"{0.003 * elapsed_s:.12f}" if elapsed_s else "0")
    assert shown["canceltime"] == "0"
    outputs = shown["outputs"]
    assert isinstance(outputs, list)
    assert [output["name"] for output in outputs] == ["0.png", "1.png", "2.png"]
    assert {output["contenttype"] for output in outputs} == {"image/png"}
    assert "Loading checkpoint shards" in str(shown["debugoutput"])


async def test_the_clock_of_a_waiting_task_stands_at_0(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """A stage not reached is "0", an exit code not known is empty, and nothing costs anything yet."""
    task_id, _ = await run(sandbox, http, "hold_at=task_queue")
    shown = await detail(sandbox, http, task_id)

    assert (shown["accepttime"], shown["starttime"], shown["endtime"]) == ("0", "0", "0")
    assert (shown["pexit"], shown["elapsedseconds"], shown["outputs"]) == ("", "0.0000", [])


async def test_another_account_does_not_see_a_task(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """It gets the answer for a task that does not exist."""
    task_id, token = await run(sandbox, http)
    url, other = f"{sandbox.api_url}/Task/Detail", {"x-api-key": "other-key"}

    assert refusal(await post(http, url, {"taskid": task_id}, **other)) == (1, "There is no task yet.")
    assert refusal(await post(http, url, {"tasktoken": token}, **other)) == (1, "There is no task yet.")
    assert refusal(await post(http, url, {}))[1] == "taskid or socketaccesstoken is required"


async def test_the_list_shows_the_latest_first(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """It is paged by texts of numbers."""
    ids = [(await run(sandbox, http))[0] for _ in range(3)]
    answer = await post(http, f"{sandbox.api_url}/Task/List", {"start": "1", "limit": "1", "order": "DESC"})
    entries = answer["tasklist"]

    assert isinstance(entries, list)
    assert answer["total"] == "3"
    assert [entry["id"] for entry in entries] == [ids[1]]


async def test_cancel_is_for_the_queue_and_kill_for_what_runs(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Each refuses what is the other's, and a stopped task costs nothing."""
    waiting, _ = await run(sandbox, http, "hold_at=task_queue")
    running, token = await run(sandbox, http, "hold_at=task_start")
    await sandbox.until(waiting, lambda task: task.holding_at)
    await sandbox.until(running, lambda task: task.holding_at)
    cancel, kill = f"{sandbox.api_url}/Task/Cancel", f"{sandbox.api_url}/Task/Kill"

    assert refusal(await post(http, cancel, {"taskid": running})) == (1, "Task is not in a cancellable state.")
    assert refusal(await post(http, kill, {"taskid": waiting}))[1].startswith("Task could not be killed: ")
    assert (await post(http, cancel, {"taskid": waiting}))["result"] is True
    assert (await post(http, kill, {"socketaccesstoken": token}))["result"] is True
    assert [task.verdict for task in sandbox.tasks.values()] == ["canceled", "canceled"]
    shown = await detail(sandbox, http, running)
    assert (shown["status"], shown["totalcost"], shown["pexit"]) == ("task_cancel", "0", "")
    assert shown["canceltime"] != "0"


async def test_cancel_takes_what_its_switch_says(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Production wants the id, the first documents the token."""
    strict, strict_token = await run(sandbox, http, "hold_at=task_queue")
    old, old_token = await run(sandbox, http, "hold_at=task_queue, cancel_by=tasktoken")
    url = f"{sandbox.api_url}/Task/Cancel"

    assert refusal(await post(http, url, {"tasktoken": strict_token})) == (0, "Request parameter [taskid] required")
    assert refusal(await post(http, url, {"taskid": old})) == (0, "Request parameter [tasktoken] required")
    assert (await post(http, url, {"taskid": strict}))["result"] is True
    assert (await post(http, url, {"tasktoken": old_token}))["result"] is True


@pytest.mark.parametrize(("gap", "works"), [("neither", []), ("cancel", ["Cancel"]), ("kill", ["Kill"])])
async def test_between_accept_and_assign_a_switch_decides(
    sandbox: Sandbox, http: aiohttp.ClientSession, gap: str, works: list[str]
) -> None:
    """Neither call is clearly meant for that moment."""
    done = []
    for call in ("Cancel", "Kill"):
        task_id, _ = await run(sandbox, http, f"hold_at=task_accept, stop_gap={gap}")
        await sandbox.until(task_id, lambda task: task.holding_at)
        if (await post(http, f"{sandbox.api_url}/Task/{call}", {"taskid": task_id}))["result"]:
            done.append(call)

    assert done == works


async def test_files_are_deleted_once_a_task_has_ended(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Not before; then as often as one likes; record and parameters stay."""
    task_id, token = await run(sandbox, http, "hold_at=task_start")
    url = f"{sandbox.api_url}/Task/InputOutputDelete"

    assert refusal(await post(http, url, {"tasktoken": "nothing"})) == (1, "task-not-exist")
    assert refusal(await post(http, url, {"tasktoken": token}))[1].startswith("Task must be completed")
    await sandbox.until(task_id, lambda task: task.holding_at)
    sandbox.release(task_id)
    await sandbox.until(task_id, lambda task: task.verdict)
    assert [(await post(http, url, {"tasktoken": token}))["result"] for _ in range(2)] == [True, True]
    shown = await detail(sandbox, http, task_id)
    assert (shown["outputs"], shown["pexit"]) == ([], "0")
    assert shown["parameters"]


async def test_a_model_tells_its_inputs(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Tool/Detail lists them in groups."""
    url = f"{sandbox.api_url}/Tool/Detail"
    answer = await post(http, url, {"slugowner": "bytedance", "slugproject": "seedream-v4"})
    tools = answer["tool"]

    assert isinstance(tools, list)
    assert [item["id"] for item in tools[0]["parameters"][0]["items"]] == [
        "inputImage",
        "prompt",
        "size",
        "maxImages",
        "watermark",
    ]


async def test_beyond_the_limit_a_run_is_refused_until_one_ends(http: aiohttp.ClientSession) -> None:
    """Code 96, and a place is free again as soon as a task is over."""
    async with Sandbox(speed=1000, accounts={"a-key": None}, concurrency=1) as sandbox:
        task_id, _ = await run(sandbox, http, "hold_at=task_start")
        url = f"{sandbox.api_url}/Run/{IMAGE}"

        code, message = refusal(await post(http, url, {"prompt": "x"}))
        assert code == 96
        assert "With your current balance of $10.00, you can run up to 1 tasks at the same time." in message
        await sandbox.until(task_id, lambda task: task.holding_at)
        sandbox.release(task_id)
        await sandbox.until(task_id, lambda task: task.verdict)
        assert (await post(http, url, {"prompt": "x"}))["result"] is True


async def test_a_port_that_is_taken_is_said_so(sandbox: Sandbox) -> None:
    """One line that names the port."""
    port = int(sandbox.api_url.split(":")[2].split("/")[0])
    with pytest.raises(ConfigError, match=str(port)):
        async with Sandbox(port=port):
            pass
