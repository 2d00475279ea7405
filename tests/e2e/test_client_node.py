"""The client outside a browser: in Node, for server-side rendering."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from relay.app import Running
from relay.sandbox import Sandbox
from tests.e2e.follow import release, start_held, token

pytestmark = pytest.mark.asyncio(loop_scope="session")

STATIC = Path(__file__).parents[2] / "static"

LOAD = """
const module = await import(process.argv[1]);
console.log(JSON.stringify(Object.keys(module).sort()));
"""
FOLLOW = """
const [address, base, task, token] = process.argv.slice(1);
const { RelayClient } = await import(address);
const client = new RelayClient({ base, task, token });
const types = [];
client.addEventListener("update", ({ detail: { message, state, connection, wire } }) => {
  if (message) types.push(message.type);
  if (connection === "live" && types.length) console.log(JSON.stringify({ wire, live: true }));
  if (connection === "ended") console.log(JSON.stringify({ verdict: state.done.verdict, types }));
});
"""
"""It does not exit: a client that has ended must not keep the process alive."""
RACE = """
const [address, task, slow] = process.argv.slice(1);
const { RelayClient } = await import(address);
const state = { id: task, epoch: "e", seq: 7, state: "running", stages: [], outputs: [], log: [], done: null };
const snapshot = { type: "snapshot", task: state };
const subscribed = defer();
const polled = defer();
function defer() {
  const parts = {};
  parts.promise = new Promise((resolve) => (parts.resolve = resolve));
  return parts;
}
globalThis.fetch = async () => {
  await subscribed.promise;
  if (slow === "poll") await new Promise(() => {});
  setTimeout(polled.resolve, 50);
  return new Response(JSON.stringify({ messages: [snapshot] }), { headers: { "content-type": "application/json" } });
};
globalThis.WebSocket = class extends EventTarget {
  static OPEN = 1;
  static CONNECTING = 0;
  readyState = 1;
  constructor() {
    super();
    setTimeout(() => this.dispatchEvent(new Event("open")));
  }
  async send() {
    subscribed.resolve();
    if (slow !== "poll") await polled.promise;
    const say = (message) => this.dispatchEvent(new MessageEvent("message", { data: JSON.stringify(message) }));
    say(snapshot);
    say({ type: "done", task, seq: 8, state: "ended", at: 2, source: "relay", data: { verdict: "succeeded" } });
  }
  close() {}
};
const client = new RelayClient({ base: "http://relay.test/", task, token: "t" });
const types = [];
client.addEventListener("update", ({ detail: { message, connection } }) => {
  if (message && message.type !== "ping") types.push(message.type);
  if (connection === "ended") {
    console.log(JSON.stringify(types));
    process.exit();
  }
});
"""
"""The WebSocket is opened before the plain call is answered, and sends its snapshot after it."""


async def node(script: str, *arguments: str) -> asyncio.subprocess.Process:
    """Run a script as a module in Node."""
    command = shutil.which("node")
    assert command is not None, "node is missing"
    return await asyncio.create_subprocess_exec(
        command, "--input-type=module", "-e", script, "--", *arguments, stdout=-1, stderr=-1, cwd=STATIC.parent
    )


async def output(process: asyncio.subprocess.Process) -> list[Any]:
    """Return the remaining lines of a process; require exit code 0 and nothing but warnings on stderr."""
    async with asyncio.timeout(60):
        said, errors = await process.communicate()
    failures = [
        line for line in errors.decode().splitlines() if "Warning" not in line and "--trace-warnings" not in line
    ]
    assert (failures, process.returncode) == ([], 0)
    return [json.loads(line) for line in said.splitlines()]


@pytest.mark.parametrize("name", ["relay.js", "src/client/relay-client.js"])
async def test_the_modules_can_be_imported_without_a_page(name: str) -> None:
    """There is no `HTMLElement`, `document`, `location` or `customElements`."""
    (names,) = await output(await node(LOAD, (STATIC / name).as_uri()))

    if name == "relay.js":
        assert names == [
            "Problem",
            "RelayBoard",
            "RelayClient",
            "RelayTaskElement",
            "TaskError",
            "reduce",
            "resume",
            "run",
        ]


async def test_the_client_follows_a_task_in_node(sandbox: Sandbox, relay: Running) -> None:
    """Over the event stream if Node has no WebSocket; the process exits when the task has ended."""
    task = await start_held(relay, sandbox)
    process = await node(FOLLOW, (STATIC / "relay.js").as_uri(), relay.url, task.id, token(relay, task))
    assert process.stdout is not None
    async with asyncio.timeout(60):
        first = json.loads(await process.stdout.readline())
    assert first["wire"] in ("sse", "ws")

    release(sandbox, task)

    lines = await output(process)
    assert lines[-1]["verdict"] == "succeeded"
    assert [kind for kind in lines[-1]["types"] if kind in ("snapshot", "done")] == ["snapshot", "done"]


@pytest.mark.parametrize("slow", ["", "poll"])
async def test_a_state_that_arrives_twice_is_reported_once(slow: str) -> None:
    """A slow plain call and the WebSocket may both deliver a snapshot."""
    (types,) = await output(await node(RACE, (STATIC / "relay.js").as_uri(), "a-task", slow))

    assert types == ["snapshot", "done"]
