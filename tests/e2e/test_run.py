"""`run` and `resume`: a page of another site starts a task, follows it, and gets its result."""

from base64 import b64encode
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import jwt
import pytest
from playwright.async_api import Page, Route

from relay.access.start_rules import StartLimits, StartRules
from relay.app import Running
from relay.journal.lists import Filter
from relay.sandbox import Sandbox
from tests.e2e.follow import BLANK, until
from tests.e2e.test_embed import Shop
from tests.sample_files import png

pytestmark = pytest.mark.asyncio(loop_scope="session")

MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]

MODEL = "bytedance/seedream-v4"
PICTURE = b64encode(png()).decode()

LOAD = """async (address) => {
  window.relay = await import(address);
  window.states = [];
  window.describe = ({ name, message, code, state }) => ({ name, message, code, state: state?.state });
}"""
"""Load the client as `relay`."""

RUN = """async ([model, token, picture]) => {
  const bytes = Uint8Array.from(atob(picture), (character) => character.charCodeAt(0));
  const file = new File([bytes], "sketch.png", { type: "image/png" });
  const shares = [];
  const run = relay.run(
    model,
    { prompt: "A lake", inputImage: [file] },
    { token: async () => token, title: "A lake", tags: ["shop"], onUploadProgress: (share) => shares.push(share) },
  );
  for await (const { state } of run) states.push(state);
  const { outputs, title, tags } = await run;
  return { outputs: outputs.length, title, tags, uploaded: shares.at(-1), ...(await run.started) };
}"""

FAIL = """async ([model, token]) => {
  const verdicts = [];
  const run = relay.run(model, { prompt: "A lake" }, { token });
  for await (const { done } of run) if (done) verdicts.push(done.verdict);
  return [verdicts, await run.catch(describe)];
}"""

BEGIN = """async ([model, token]) => {
  window.aborter = new AbortController();
  window.running = relay.run(model, { prompt: "A lake" }, { token, signal: aborter.signal });
  const { task } = await running.started;
  return task;
}"""

RESUME = """async ([task, token]) => {
  window.resumed = relay.resume(task, { token });
  window.outcome = null; // until it has ended
  resumed.then(({ state }) => (outcome = state), (error) => (outcome = describe(error)));
}"""

PICTURE_OF = """async ([model, token]) => {
  const { outputs } = await relay.run(model, { prompt: "A lake" }, { token });
  const picture = document.body.appendChild(new Image());
  picture.src = outputs[0].url;
  await picture.decode();
  return picture.naturalWidth;
}"""

CODE = (
    "async ([model, token]) => (await relay.run(model, { prompt: 'A lake' }, { token }).catch((error) => error)).code"
)

STATUS = "async ([address, token]) => (await fetch(address, { headers: { Authorization: `Bearer ${token}` } })).status"

SEPARATE = """async () => {
  const { separateFiles } = await import("/static/src/client/input-files.js");
  const file = new Blob(["a"]);
  const mixed = [file, "https://cdn.example/b.png"];
  const values = { prompt: "A lake", size: ["1", "2"], image: file, mixed, none: null };
  const { input, attachments } = separateFiles(values, { more: new Set([file, new Blob(["a"])]), one: file });
  const read = async ({ part, file }) => [part, await file.text()];
  return { input, attachments: await Promise.all(attachments.map(read)) };
}"""

LOOPS = """async () => {
  const { NewestValue } = await import("/static/src/client/newest-value.js");
  const values = new NewestValue();
  const seen = [];
  const loop = (async () => {
    for await (const value of values) {
      seen.push(value);
      if (value === 1) values.value = 2;
      if (value === 2) values.value = 3; // missed
      if (value === 2) values.value = 4;
      if (value === 4) values.end();
    }
  })();
  values.value = 1;
  await loop;
  const late = [];
  for await (const value of values) late.push(value);
  const failing = new NewestValue();
  failing.value = 2;
  failing.end("a failure");
  let outcome = "";
  try {
    for await (const value of failing) outcome += value;
  } catch (error) {
    outcome += ` ${error}`;
  }
  return [seen, late, outcome];
}"""


async def test_a_page_of_another_site_runs_a_task_with_a_picture(
    sandbox: Sandbox, make_relay: MakeRelay, page: Page, complaints: list[str]
) -> None:
    """To its result, with an upload; or to an error that says what was wrong."""
    complaints.append("422")
    shop = Shop()
    async with shop.open(), make_relay(allowed_origins=(shop.origin,)) as relay:
        await page.goto(shop.origin)
        await page.evaluate(LOAD, f"{relay.url}/static/relay.js")

        result = await page.evaluate(RUN, [MODEL, relay.api_key, PICTURE])
        assert result.pop("token").count(".") == 2
        assert result.pop("task")
        assert result == {"outputs": 1, "title": "A lake", "tags": ["shop"], "uploaded": 1}
        assert (await page.evaluate("states"))[-1] == "succeeded"

        sandbox.next_run(exit=1)
        verdicts, error = await page.evaluate(FAIL, [MODEL, relay.api_key])
        assert verdicts == ["failed"]
        assert (error["name"], error["state"]) == ("TaskError", "failed")
        assert error["message"].startswith("The task failed")

        refused = "(key) => relay.run('bytedance/seedream-v4', {}, { token: key }).catch(describe)"
        error = await page.evaluate(refused, relay.api_key)
        assert (error["name"], error["code"]) == ("Problem", "invalid_input")


async def test_a_start_token_is_enough_for_a_static_page_and_for_nothing_else(
    sandbox: Sandbox, make_relay: MakeRelay, page: Page, complaints: list[str]
) -> None:
    """Nothing but files are served beside the relay. The token cannot exceed its limits or outlive its time."""
    complaints.append("40[13]|429")
    rules = StartRules(models=["bytedance/seedream-*"], limits=StartLimits(per_hour=1))
    shop = Shop()
    async with shop.open(), make_relay(allowed_origins=(shop.origin,)) as relay:
        mint = partial(relay.context.access.mint_tag, scope="start view cancel", rules=rules)
        token, _ = mint("user-42", ttl_s=600)
        expired = jwt.encode({"tag": "user-43", "scope": "start", "exp": 1}, relay.context.access._secret)
        await page.goto(shop.origin)
        await page.evaluate(LOAD, f"{relay.url}/static/relay.js")

        assert await page.evaluate(PICTURE_OF, [MODEL, token]) > 1
        assert await page.evaluate(CODE, [MODEL, token]) == "rate_limited"
        assert await page.evaluate(CODE, ["bytedance/text-to-image-seedream-v3", token]) == "forbidden"
        assert await page.evaluate(CODE, [MODEL, expired]) == "unauthorized"
        others, _ = mint("user-43", ttl_s=600)
        (task,) = (await relay.context.tasks.lists.page(Filter(), limit=9)).snapshots
        assert await page.evaluate(STATUS, [f"{relay.url}/v1/tasks/{task.id}", token]) == 200
        assert await page.evaluate(STATUS, [f"{relay.url}/v1/tasks/{task.id}", others]) == 403
        assert len(sandbox.runs) == 1


async def test_a_start_is_repeated_and_a_run_goes_on_after_a_reload(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """A lost answer starts no second task; leaving does not stop it; another page can follow it and cancel it."""
    complaints.append("net::ERR_FAILED")
    keys: list[str] = []

    async def lose_the_first_answer(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        response = await route.fetch()
        await (route.fulfill(response=response) if len(keys) > 1 else route.abort())

    await page.route("**/v1/tasks", lose_the_first_answer)
    await page.goto(relay.url + BLANK)
    await page.evaluate(LOAD, "/static/relay.js")
    sandbox.next_run(hold_at="task_start")

    task = await page.evaluate(BEGIN, [MODEL, relay.api_key])

    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert len(sandbox.tasks) == 1
    stopped = "running.catch(({ name }) => (aborter.signal.aborted ? name : 'too early'))"
    assert await page.evaluate(f"aborter.abort() ?? {stopped}") == "AbortError"
    await page.reload()
    await page.evaluate(LOAD, "/static/relay.js")
    await page.evaluate(RESUME, [task, relay.api_key])
    await until(page, "resumed.state?.state === 'running'")
    await page.evaluate("resumed.cancel()")
    await until(page, "outcome !== null")
    assert (await page.evaluate("outcome"))["state"] == "canceled"


async def test_the_parts_of_a_run(relay: Running, page: Page) -> None:
    """Files are separated from the rest of an input, and a slow loop misses states but not the last one."""
    await page.goto(relay.url + BLANK)

    separated: dict[str, Any] = await page.evaluate(SEPARATE)

    assert separated == {
        "input": {"prompt": "A lake", "size": ["1", "2"], "mixed": ["https://cdn.example/b.png"], "none": None},
        "attachments": [["image", "a"], ["mixed", "a"], ["more", "a"], ["more", "a"], ["one", "a"]],
    }
    assert await page.evaluate(LOOPS) == [[1, 2, 4], [4], "2 a failure"]
