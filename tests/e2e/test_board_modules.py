"""The pure JavaScript modules of the board, in a browser."""

from typing import Any

import pytest
from playwright.async_api import Page

from relay.app import Running
from tests.e2e.test_view_modules import call

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOW = 1_795_700_000

ORDER = """async (tasks) => {
  const { byAttention } = await import("/static/src/board/task-groups.js");
  return tasks.sort(byAttention).map(({ id }) => id);
}"""

HEADLINE = """async ([tasks, now]) => {
  const { countTasks } = await import("/static/src/dashboard/task-counts.js");
  const { openParts, todayText } = await import("/static/src/dashboard/headline.js");
  const counts = countTasks(tasks);
  return [openParts(counts, tasks, now, false).map(({ text }) => text), todayText(counts)];
}"""

COUNTS = """async ([tasks, counted, isOpenLoaded]) => {
  const { combineCounts, countTasks, limitedGroups } = await import("/static/src/dashboard/task-counts.js");
  const counts = combineCounts(countTasks(tasks), counted, isOpenLoaded);
  return [Object.fromEntries(counts), [...limitedGroups(counted)]];
}"""

ANNOUNCED = """async (changes) => {
  const { announcement } = await import("/static/src/dashboard/announcer.js");
  return announcement(new Map(changes));
}"""

USUAL = """async (tasks) => {
  const { usualTimes } = await import("/static/src/board/task-times.js");
  return Object.fromEntries(usualTimes(tasks));
}"""

DRAWN = """async (tasks) => {
  const { TaskList } = await import("/static/src/dashboard/task-list.js");
  const place = document.createElement("ol");
  let drawn;
  const isDrawn = new Promise((resolve) => { drawn = resolve; });
  const list = new TaskList(place, { onChange: () => list.shown.length && drawn(), onTask() {} });
  for (const task of tasks) list.put(task);
  const before = place.children.length;
  await isDrawn;
  return [before, place.children.length];
}"""


@pytest.fixture
def page(shared_page: Page) -> Page:
    """Use one tab for all tests: each of them loads its relay's page in it, and calls functions."""
    return shared_page


def task(name: str, state: str, age_s: float = 10, **more: Any) -> dict[str, Any]:
    """Return a task as a list has it, created `age_s` ago; an ended one has ended now."""
    is_ended = state in ("succeeded", "failed", "canceled", "lost")
    done = {"verdict": state, "cost": None, "billed": None, "error": None} if is_ended else None
    return {
        "id": name,
        "state": state,
        "provider": "wiro",
        "model": "owner/model",
        "created_at": NOW - age_s,
        "updated_at": NOW,
        "ended_at": NOW if is_ended else None,
        "stages": [],
        "outputs": [],
        "tags": [],
        "hold": None,
        "stall": None,
        "done": done,
    } | more


def stalled(name: str, silent_s: float, *, confirmed: bool = False) -> dict[str, Any]:
    return task(name, "running", 900, stall={"silent_s": silent_s, "checked": "", "confirmed": confirmed})


async def run(page: Page, relay: Running, script: str, given: Any) -> Any:
    """Run a script on a page of the relay."""
    await call(page, relay, "src/board/task-title.js", "modelName", ["owner/model"])
    return await page.evaluate(script, given)


async def test_tasks_are_sorted_by_what_needs_attention(relay: Running, page: Page) -> None:
    """The longest silent first, what runs, the queue in its order, and then what ended last."""
    tasks = [
        task("ended-before", "succeeded", ended_at=NOW - 50),
        task("held-8", "held", hold={"reason": "", "position": 8}),
        task("ended-last", "failed", 90, ended_at=NOW - 5),
        stalled("quiet", 900, confirmed=True),
        task("held-1", "held", 5, hold={"reason": "", "position": 1}),
        task("queued", "queued", 3),
        task("runs", "running", 500),
        task("runs-newer", "preparing", 20),
        stalled("stuck", 60),
        stalled("stuck-longer", 600),
    ]
    expected = ["stuck-longer", "stuck", "quiet", "runs-newer", "runs", "queued", "held-1", "held-8"]

    assert await run(page, relay, ORDER, tasks) == [*expected, "ended-last", "ended-before"]


async def test_the_headline_says_what_needs_attention(relay: Running, page: Page) -> None:
    """With the longest silence; a lost task counts as failed."""
    ended = [task(f"{state}-{n}", state) for state, n in (("succeeded", 1), ("succeeded", 2), ("lost", 1))]
    open_ = [stalled("stuck", 540), stalled("stuck-2", 70), task("r", "running"), task("w", "queued")]

    assert await run(page, relay, HEADLINE, [[*open_, *ended], NOW]) == [
        ["2 stuck 9 min", "1 running", "1 waiting"],
        "today 2 done, 1 failed",
    ]
    assert await run(page, relay, HEADLINE, [[], NOW]) == [["No open tasks"], ""]


async def test_loaded_tasks_and_counted_ones_are_combined(relay: Running, page: Page) -> None:
    """Open tasks that are all loaded are counted in the browser, because they change live."""
    tasks = [
        stalled("stuck", 60),
        stalled("quiet", 60, confirmed=True),
        task("r", "running"),
        task("done", "succeeded"),
    ]
    states = {"running": 9, "queued": 4, "succeeded": 10_000, "failed": 2, "lost": 1}
    counted = {"states": states, "stalled": 3, "at_least": ["succeeded"]}
    ended = {"succeeded": 10_000, "failed": 3, "canceled": 0}

    partly = await run(page, relay, COUNTS, [tasks, counted, False])
    wholly = await run(page, relay, COUNTS, [tasks, counted, True])
    unknown = await run(page, relay, COUNTS, [tasks, None, True])

    assert partly == [{"stuck": 2, "quiet": 1, "running": 6, "waiting": 4} | ended, ["succeeded"]]
    assert wholly == [{"stuck": 1, "quiet": 1, "running": 1, "waiting": 0} | ended, ["succeeded"]]
    assert unknown[0]["succeeded"] == 1


async def test_changes_are_announced_together(relay: Running, page: Page) -> None:
    """A single task by its title, several by their number."""
    changes = [["succeeded", ["A fox", "A lake"]], ["stuck", ["A village"]]]

    assert await run(page, relay, ANNOUNCED, changes) == "Stuck: A village. Succeeded: 2 tasks."


async def test_the_time_of_a_task_is_divided_and_compared(relay: Running, page: Page) -> None:
    """Missing stages count as waiting, and the usual time is the middle of the bar."""
    marks = [{"type": name, "at": NOW - age} for name, age in (("queue", 9), ("assign", 7), ("start", 6))]
    whole, unseen = await call(
        page,
        relay,
        "src/board/task-times.js",
        "timesOf",
        [task("a", "succeeded", stages=marks), NOW],
        [task("b", "queued", 4), NOW],
    )
    assert whole == {"waited": 3, "prepared": 1, "ran": 6, "total": 10}
    assert unseen == {"waited": 4, "prepared": 0, "ran": 0, "total": 4}

    shares = await call(
        page, relay, "src/board/task-times.js", "barParts", [whole, 10], [whole, 2], [whole, None], [unseen, None]
    )
    assert [sum(share[part] for part in ("waited", "prepared", "ran")) for share in shares] == [0.5, 1, 1, 1]
    assert shares[0] == {"waited": 0.15, "prepared": 0.05, "ran": 0.3, "usual": 0.5}
    assert [share["usual"] for share in shares[1:]] == [0.2, None, None]
    runs = [task(f"t{age}", "succeeded", age) for age in (5, 7, 60)] + [task("f", "failed", 900)]
    assert await page.evaluate(USUAL, runs) == {"wiro:owner/model": 7}
    assert await page.evaluate(USUAL, runs[:2]) == {}


async def test_what_is_left_of_an_estimate(relay: Running, page: Page) -> None:
    """It counts from the time of the estimate, and never below zero."""
    eta = {"p50_s": 20, "p90_s": 40, "basis": "history", "samples": 9, "at": NOW - 5}
    texts = await call(
        page,
        relay,
        "src/board/task-times.js",
        "remainingText",
        *[[task("a", "running", eta=eta), NOW + later_s] for later_s in (0, 18, 40)],
        [task("b", "running"), NOW],
        [task("c", "succeeded", eta=eta), NOW],
    )

    assert texts == ["15 s left", "almost done", "longer than usual", "", ""]


async def test_the_filter_of_an_address_is_that_of_the_board(relay: Running, page: Page) -> None:
    """Invalid values are ignored, and other parameters are kept."""
    module = "src/dashboard/board-address.js"
    filters = await call(
        page,
        relay,
        module,
        "filterFromQuery",
        ["?group=failed&tag=a%20b&q=x&period=3600", NOW],
        ["?group=x&period=5", NOW],
    )
    assert filters == [
        {"group": "failed", "tag": "a b", "text": "x", "period_s": 3600, "since": NOW - 3600},
        {"group": "", "tag": "", "text": "", "period_s": 0, "since": None},
    ]

    queries = await call(
        page, relay, module, "queryFromFilter", [filters[0], "?keep=1"], [filters[1], "?group=failed&tag=a"]
    )
    assert queries == ["?keep=1&group=failed&tag=a+b&q=x&period=3600", ""]


async def test_charts_count_each_task_once_and_never_mix_units(relay: Running, page: Page) -> None:
    """Buckets cover the whole time without gaps, and dollars and credits have their own sums."""
    costs = [("usd", 0.5), ("usd", 0.25), ("credits", 8), (None, 0)]
    ended = [
        task(str(n), "failed" if n == 1 else "succeeded", ended_at=NOW - 400 + 100 * n)
        | {"done": {"cost": unit and {"unit": unit, "amount": amount}, "billed": True}}
        for n, (unit, amount) in enumerate(costs)
    ]
    module = "src/dashboard/chart-data.js"
    (counted, nothing) = await call(page, relay, module, "throughput", [ended], [[]])
    (spent,) = await call(page, relay, module, "spending", [ended])

    assert counted["width_s"] == 30
    starts = [bucket["at"] for bucket in counted["buckets"]]
    assert starts == list(range(starts[0], starts[0] + 30 * len(starts), 30))
    assert sum(bucket["succeeded"] for bucket in counted["buckets"]) == 3
    assert sum(bucket["failed"] for bucket in counted["buckets"]) == 1
    assert nothing == {"width_s": 0, "buckets": []}
    assert [(each["unit"], each["total"]) for each in spent] == [("usd", 0.75), ("credits", 8)]


async def test_a_title_is_one_line_and_an_error_its_last(relay: Running, page: Page) -> None:
    """A task without title and prompt is named by its model."""
    titles: list[dict[str, str | None]] = [
        {"title": " A\nfox "},
        {"title": None, "prompt": "A lake."},
        {"title": "", "prompt": None},
    ]
    module = "src/board/task-title.js"
    found = await call(page, relay, module, "titleOf", *[[{"model": "o/m", **each}] for each in titles])
    assert found == ["A fox", "A lake.", "o/m"]

    trace = "Traceback:\n  File x\r\nRuntimeError: CUDA out of memory.\n\n"
    errors = await call(page, relay, module, "lastLine", [{"error": {"message": trace}}], [{"error": None}], [None])
    assert errors == ["RuntimeError: CUDA out of memory.", "", ""]


async def test_tasks_that_come_one_by_one_are_drawn_together(relay: Running, page: Page) -> None:
    """Sorting and laying out the list for each of them would keep a page of 200 tasks busy for seconds."""
    tasks = [task(f"t{number}", "running") for number in range(20)]

    assert await run(page, relay, DRAWN, tasks) == [0, 20]
