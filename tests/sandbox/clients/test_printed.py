"""
The curl commands that the pages of Wiro's models print, sent as curl sends them.

One of them is broken: its inner quotes end the shell's string, and it has a trailing comma.
"""

import shlex
import time
from collections.abc import Iterator

import aiohttp
import pytest

from relay.sandbox import Sandbox
from tests.sandbox.clients.caller import Body, signed

AUTHORIZED = '-H "x-api-key: ${YOUR_API_KEY}" -H "x-nonce: ${NONCE}" -H "x-signature: ${SIGNATURE}"'
MULTIPART = f'-H "Content-Type: multipart/form-data" {AUTHORIZED}'
API = "https://api.wiro.ai/v1"

SEEDREAM_4 = f"""curl -X POST "{API}/Run/bytedance/text-to-image-seedream-v4" {MULTIPART} -d '{{ "prompt": "a lake",
"size": "2048x2048", "maxImages": 1, "watermark": "false", "callbackUrl": "You can provide a callback URL; Wiro will
send a POST request to it when the task is completed." }}';"""
SEEDANCE = f"""curl -X POST "{API}/Run/ByteDance/image-to-video-seedance-v1" {MULTIPART} -d '{{ "inputImageUrl":
"image-to-video-seedance-v1-input.jpg", "prompt": "A skier glides over fresh snow.", "resolution": "480p", "ratio":
"16:9", "duration": "5", "fps": "24", "watermark": "false", "seed": null, "camerafixed": "false", "callbackUrl": "You
can provide a callback URL; Wiro will send a POST request to it when the task is completed." }}';"""
SEEDREAM_3 = f"""curl -X POST "{API}/Run/bytedance/text-to-image-seedream-v3" -H "Content-Type: application/json"
{AUTHORIZED} -d '{{ "prompt": "A tranquil mountain lake at dawn.", "size": "1024x1024", "watermark": "false",
"guidanceScale": "1", "seed": "1969632740", "callbackUrl": "Optional: Webhook URL for task completion notifications"
}}';"""
EDITING = f"""curl -X POST "{API}/Run/bytedance/seedream-v4" {AUTHORIZED} -F "inputImage=@path/to/image1.jpg"
-F "inputImage=https://example.com/image2.jpg" -F "prompt=A serene desert landscape at dusk." -F "size=2048x2048"
-F "maxImages=1" -F "watermark=false" -F "callbackUrl=Optional: Webhook URL for task completion notifications";"""
BROKEN = f"""curl -X POST "{API}/Task/Detail" {MULTIPART} -d '{{ "tasktoken": 'eDcCm5yyUfIvMFspTwww49OUfgXkQt', }}';"""


def call_of(name: str, value: str, path: str) -> str:
    """Return a printed command about a task."""
    return f"""curl -X POST "{API}/Task/{path}" {MULTIPART} -d '{{ "{name}": "{value}" }}';"""


def options(line: str) -> Iterator[tuple[str, str]]:
    """Parse a command as a shell does, with variables replaced; yield its options, and the URL with an empty name."""
    auth = signed(str(int(time.time())))
    values = {"YOUR_API_KEY": auth["x-api-key"], "NONCE": auth["x-nonce"], "SIGNATURE": auth["x-signature"]}
    for name, value in values.items():
        line = line.replace(f"${{{name}}}", value)
    words = iter(shlex.split(line.rstrip(";"))[1:])
    for word in words:
        yield (word, next(words)) if word.startswith("-") else ("", word)


async def curl(sandbox: Sandbox, http: aiohttp.ClientSession, line: str) -> Body:
    """Send what curl sends: `-d` without line breaks, `-F` as parts of a form."""
    headers, form, data, url = {}, aiohttp.FormData(default_to_multipart=True), None, ""
    for option, value in options(line):
        name, _, rest = value.partition("=")
        match option:
            case "":
                url = value.replace(API, sandbox.api_url)
            case "-H":
                header, _, content = value.partition(": ")
                headers[header] = content
            case "-d":
                data = value.replace("\n", "").encode()
            case "-F" if rest.startswith("@"):
                form.add_field(name, b"\xff\xd8\xff", filename="image1.jpg", content_type="image/jpeg")
            case "-F":
                form.add_field(name, rest)
            case _:
                assert (option, value) == ("-X", "POST")
    if data is not None:
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
    async with http.post(url, data=form if data is None else data, headers=headers) as response:
        assert response.status == 200
        result: Body = await response.json()
        return result


@pytest.mark.parametrize("line", [SEEDREAM_4, SEEDANCE, SEEDREAM_3, EDITING], ids=["000", "003", "002", "001"])
async def test_a_printed_run_starts_a_task(sandbox: Sandbox, http: aiohttp.ClientSession, line: str) -> None:
    """The response is the printed one, and Task/Detail finds the task by id and by token."""
    started = await curl(sandbox, http, line)
    assert {*started} == {"errors", "taskid", "socketaccesstoken", "result"}

    by_id = await curl(sandbox, http, call_of("taskid", started["taskid"], "Detail"))
    by_token = await curl(sandbox, http, call_of("tasktoken", started["socketaccesstoken"], "Detail"))
    assert by_id["tasklist"][0]["id"] == by_token["tasklist"][0]["id"] == started["taskid"]


async def test_printed_commands_stop_a_task(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Kill works by id and by token, Cancel by id."""
    for stage, path, name in [
        ("task_start", "Kill", "taskid"),
        ("task_start", "Kill", "socketaccesstoken"),
        ("task_queue", "Cancel", "taskid"),
    ]:
        sandbox.next_run(hold_at=stage)
        started = await curl(sandbox, http, SEEDREAM_4)
        await sandbox.until(started["taskid"], lambda task: task.holding_at)
        stopped = await curl(sandbox, http, call_of(name, started[name], path))
        assert stopped["tasklist"][0]["status"] == "task_cancel"


async def test_the_broken_command_is_refused(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Its body is not JSON, so that it names no task."""
    assert (await curl(sandbox, http, BROKEN))["errors"][0]["message"] == "taskid or socketaccesstoken is required"
