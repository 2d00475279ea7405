"""The pure JavaScript modules behind the views, in a browser."""

import unicodedata
from itertools import pairwise
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page

from relay.app import Running
from relay.journal.search_words import all_words_match, query_words
from tests.e2e.follow import BLANK

pytestmark = pytest.mark.asyncio(loop_scope="session")

CALL = """async ([module, name, argumentLists]) => {
  const called = (await import(`/static/${module}`))[name];
  return argumentLists.map((given) => called(...given));
}"""

CLOCK = """async (steps) => {
  const { ServerClock } = await import("/static/src/client/server-clock.js");
  let [monotonic, browser] = [0, 5000];
  const clock = new ServerClock({ monotonic_s: () => monotonic, browser_s: () => browser });
  return steps.map(([passed_s, message, date]) => {
    monotonic += passed_s;
    browser -= 1e6; // the clock must ignore it
    if (message) clock.adjust(message);
    if (date) clock.adjustByDate(date);
    return clock.now();
  });
}"""

LEVELS = """async (tasks) => {
  const { BarLevel, displayedProgress } = await import("/static/src/element/displayed-progress.js");
  const level = new BarLevel();
  return tasks.map((progress) => level.update(displayedProgress({ progress, done: null })));
}"""


@pytest.fixture
def page(shared_page: Page) -> Page:
    """Use one tab for all tests: each of them loads its relay's page in it, and calls functions."""
    return shared_page


async def call(page: Page, relay: Running, module: str, name: str, *argument_lists: list[Any]) -> list[Any]:
    """Call an exported function with each list of arguments."""
    await page.goto(relay.url + BLANK)
    results: list[Any] = await page.evaluate(CALL, [module, name, list(argument_lists)])
    return results


def raw(**content: Any) -> list[dict[str, Any]]:
    return [{"content_type": "raw", "name": None, "size": None, "url": None, "content": content}]


THINKING = {"kind": "thinking", "text": "Let me think."}
ANSWER = {"kind": "answer", "text": "Qubits."}

ANSWERS: list[tuple[str, dict[str, Any], list[dict[str, Any]]]] = [
    (
        "segments",
        {
            "prompt": "q",
            "segments": [{"type": "thinking", "text": "Let me think."}, {"type": "answer", "text": "Qubits."}],
        },
        [THINKING, ANSWER],
    ),
    ("lists", {"thinking": ["Let me think."], "answer": ["Qubits."], "raw": "x"}, [THINKING, ANSWER]),
    ("several", {"answer": ["One.", "Two."]}, [{"kind": "answer", "text": "One.\n\nTwo."}]),
    ("text", {"answer": "Qubits.", "thinking": None}, [ANSWER]),
    ("raw", {"raw": "Qubits."}, [ANSWER]),
    ("message", {"message": "Qubits."}, [ANSWER]),
    ("chat", {"message": {"role": "assistant", "content": [{"type": "text", "text": "Qubits."}]}}, [ANSWER]),
    ("empty segments", {"segments": [], "answer": ["Qubits."]}, [ANSWER]),
    (
        "no answer",
        {"segments": [{"type": "answer", "text": ""}], "finishreason": "stop"},
        [{"kind": "answer", "text": ""}],
    ),
    (
        "calls",
        {
            "segments": [
                {"type": "function_call", "name": "weather", "arguments": '{"city":"Rome"}', "call_id": "1"},
                {"type": "custom_tool_call", "name": "shell", "input": "ls", "status": "completed"},
                {"type": "function_call", "name": "now", "arguments": {"zone": "UTC"}},
            ]
        },
        [
            {"kind": "function_call", "name": "weather", "text": '{"city":"Rome"}'},
            {"kind": "custom_tool_call", "name": "shell", "text": "ls"},
            {"kind": "function_call", "name": "now", "text": '{\n  "zone": "UTC"\n}'},
        ],
    ),
    ("another kind", {"segments": [{"type": "citation", "text": "Nature"}]}, [{"kind": "citation", "text": "Nature"}]),
    ("no text", {"segments": [{"type": "image", "id": 7}]}, [{"kind": "image", "text": '{\n  "id": 7\n}'}]),
    ("unknown", {"vectors": [1]}, [{"kind": "raw", "text": '{\n  "vectors": [\n    1\n  ]\n}'}]),
]


@pytest.mark.parametrize(("content", "expected"), [case[1:] for case in ANSWERS], ids=[case[0] for case in ANSWERS])
async def test_the_answer_of_an_output_is_split_into_segments(
    content: dict[str, Any], expected: list[dict[str, Any]], relay: Running, page: Page
) -> None:
    """Every known form of an answer is recognised; anything else is shown as JSON."""
    assert await call(page, relay, "src/element/output-text.js", "outputText", raw(**content)) == [expected]


async def test_an_output_with_a_url_is_a_file(relay: Running, page: Page) -> None:
    """An output with a URL and a content type is never read as an answer."""
    file = {"content_type": "image/png", "url": "https://x/a.png", "content": {"answer": "x"}}
    without = {"content_type": "raw", "url": None, "content": None}

    assert await call(page, relay, "src/element/output-text.js", "outputText", [file], [without]) == [[], []]


async def test_the_output_replaces_an_incomplete_stream(relay: Running, page: Page) -> None:
    """A complete stream stays as it is; a cut one, or one that was never received, is replaced."""
    whole = raw(segments=[{"type": "thinking", "text": "Let me think."}, {"type": "answer", "text": "Qubits."}])
    streamed = [THINKING, {"kind": "answer", "text": "<answer>Qubits.\n</answer>"}]
    cut = [THINKING, {"kind": "answer", "text": "Qub"}]
    call_part = {"kind": "function_call", "text": "{}"}
    called = raw(segments=[{"type": "function_call", "name": "now", "arguments": "{}"}])

    chosen = await call(
        page,
        relay,
        "src/element/output-text.js",
        "answerOf",
        [streamed, whole],
        [cut, whole],
        [[THINKING], whole],
        [[], whole],
        [streamed, raw(raw="Let me think. Qubits.")],
        [streamed, raw(vectors=[1])],
        [streamed, []],
        [[call_part], called],
    )

    full = [THINKING, ANSWER]
    assert chosen == [streamed, full, full, full, streamed, streamed, streamed, [{**call_part, "name": "now"}]]


async def test_answer_tags_are_not_shown(relay: Running, page: Page) -> None:
    """Some models wrap their answer in tags: the outer ones are removed, inner ones stay."""
    texts = [["<answer>\nRome.\n</answer>"], ["<ANSWER>Rome."], ["Write <answer> here."], ["Rome."]]

    assert await call(page, relay, "src/element/output-text.js", "withoutWrapper", *texts) == [
        "Rome.",
        "Rome.",
        "Write <answer> here.",
        "Rome.",
    ]


async def test_the_clock_follows_the_relays_messages(relay: Running, page: Page) -> None:
    """The latest time of a message wins; a monotonic clock counts between messages."""
    await page.goto(f"{relay.url}/embed/x")
    ping = {"type": "ping"}
    late = [
        [0, None, None],
        [0, None, "Thu, 01 Jan 1970 00:16:40 GMT"],  # better than nothing
        [1, {**ping, "at": 2000.5}, None],
        [10, None, None],
        [0, {**ping, "at": 2005}, None],  # was kept up for some seconds by a proxy
        [1, {"type": "start", "seq": 3, "at": 9999}, None],  # an event's time is that of what it tells
        [1, {**ping, "at": 2020}, None],
        [0, None, "Thu, 01 Jan 1970 00:00:00 GMT"],  # a header is not better than a message
        [0, {**ping, "at": 1000}, None],  # the relay's clock was set back
        [0, {**ping, "at": None}, None],
    ]

    assert await page.evaluate(CLOCK, late) == [
        5000, 1000, 2000.5, 2010.5, 2010.5, 2011.5, 2020, 2020, 1000, 1000
    ]  # fmt: skip


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
async def test_a_time_on_another_day_includes_the_date(zone: str, relay: Running, page: Page) -> None:
    """In the reader's time zone: only the time today, month and day otherwise, the year if it differs."""
    context = await page.context.browser.new_context(timezone_id=zone, locale="en-US")  # type: ignore[union-attr]
    page = await context.new_page()
    await page.goto(f"{relay.url}/embed/x")
    at = "([y, mo, d, h, mi, s]) => new Date(y, mo - 1, d, h, mi, s).getTime() / 1000"
    now, today, yesterday, earlier, last_year, tomorrow = [
        await page.evaluate(at, moment)
        for moment in (
            [2026, 11, 25, 12, 0, 0],
            [2026, 11, 25, 0, 0, 18],
            [2026, 11, 24, 23, 59, 59],
            [2026, 11, 22, 21, 38, 18],
            [2025, 12, 31, 21, 38, 0],
            [2026, 11, 26, 0, 0, 0],
        )
    ]
    times = [[moment, now] for moment in (today, yesterday, earlier, last_year, tomorrow)]

    shown = await page.evaluate(CALL, ["src/element/format.js", "clockTime", times])
    await context.close()

    assert [text.replace("\u202f", " ") for text in shown] == [
        "12:00:18 AM",
        "Nov 24, 11:59 PM",
        "Nov 22, 9:38 PM",
        "Dec 31, 2025, 9:38 PM",
        "Nov 26, 12:00 AM",
    ]


def progress(percent: float | None, phase: dict[str, Any] | None) -> dict[str, Any]:
    return {"percent": percent, "phase": phase}


async def test_the_bar_shows_the_current_phase(relay: Running, page: Page) -> None:
    """Percent, number and label of the phase, plus the overall percent where it differs and is below 100 %."""
    second = {"index": 1, "label": "Upscaling", "percent": 30.0}
    tasks = [
        {"progress": None, "done": None},
        {"progress": progress(60, None), "done": None},
        {"progress": {"percent": 60}, "done": None},
        {"progress": progress(60, {"index": 0, "label": "Sampling", "percent": 60}), "done": None},
        {"progress": progress(65, second), "done": None},
        {"progress": progress(100, second), "done": None},
        {"progress": progress(100, second | {"label": None, "percent": None}), "done": None},
        {"progress": progress(100, second | {"percent": 150}), "done": None},
        {"progress": progress(100, second), "done": {"verdict": "succeeded"}},
        {"progress": progress(40, second), "done": {"verdict": "failed"}},
    ]

    drawn = await call(
        page, relay, "src/element/displayed-progress.js", "displayedProgress", *[[task] for task in tasks]
    )

    assert [tuple(each.values()) for each in drawn] == [
        (None, None, 0, ""),
        (60, None, 0, ""),
        (60, None, 0, ""),
        (60, None, 0, ""),
        (30, 65, 1, "2. Upscaling"),
        (30, None, 1, "2. Upscaling"),
        (None, None, 1, "Phase 2"),
        (100, None, 1, "2. Upscaling"),
        (100, None, 0, ""),
        (40, None, 0, ""),
    ]


async def test_the_bar_restarts_only_with_a_new_phase(relay: Running, page: Page) -> None:
    """A lower value within a phase is ignored; the next phase starts at its own value."""
    await page.goto(f"{relay.url}/embed/x")
    seen = [(0, 10), (0, 60), (0, 40), (0, None), (1, None), (1, 5), (1, 3), (2, 50)]

    levels = await page.evaluate(
        LEVELS, [progress(None, {"index": index, "label": "x", "percent": percent}) for index, percent in seen]
    )

    assert levels == [10, 60, 60, 60, None, 5, 5, 50]


async def test_only_a_running_task_counts_as_silent(relay: Running, page: Page) -> None:
    """A queued task is never silent; a confirmed one has no news; any other is stuck."""
    confirmed, unconfirmed = {"confirmed": True}, {"confirmed": False}
    old: dict[str, Any] = {}
    cases: list[tuple[str, dict[str, Any] | None, str | None]] = [
        ("running", None, None),
        ("running", confirmed, "quiet"),
        ("running", unconfirmed, "stuck"),
        ("finishing", old, "stuck"),
        ("queued", old, None),
        ("held", unconfirmed, None),
        ("submitting", old, "stuck"),
        ("preparing", confirmed, "quiet"),
    ]

    found = await call(
        page,
        relay,
        "src/element/stall.js",
        "stallOf",
        *[[{"state": s, "stall": stall, "done": None}] for s, stall, _ in cases],
    )

    assert found == [expected for _, _, expected in cases]


async def test_urls_are_checked_without_url_canparse(relay: Running, context: BrowserContext) -> None:
    """It is missing before Chrome 120, Firefox 115 and Safari 17."""
    page = await context.new_page()
    await page.add_init_script("delete URL.canParse")
    addresses = ["https://x/a.png", "data:image/png;base64,AA", "javascript:alert(1)", "a.png", "", None, "http://["]

    assert await call(page, relay, "src/element/safe-url.js", "mediaUrl", *[[address] for address in addresses]) == [
        "https://x/a.png", "data:image/png;base64,AA", None, None, None, None, None
    ]  # fmt: skip


async def test_retries_of_a_file_are_spread_over_a_minute(relay: Running, page: Page) -> None:
    """The first after 1 s, then at most 8 s apart."""
    await page.goto(f"{relay.url}/embed/x")

    delays = await page.evaluate(
        "import('/static/src/element/retry-schedule.js').then((module) => module.RETRY_DELAYS_S)"
    )

    assert delays[0] == 1
    assert max(delays) == 8
    assert sum(delays) == 60


async def test_a_retry_changes_only_a_url_without_a_query(relay: Running, page: Page) -> None:
    """Every other retry changes it, as a cache may hold the 404; a server may reject unknown parameters."""
    plain, signed, local = "https://x/a.png", "https://x/a.png?sig=a%2Fb&e=1", "data:image/png;base64,AA"

    addresses = await call(
        page,
        relay,
        "src/element/retry-schedule.js",
        "addressOfAttempt",
        *[[address, failures] for address in (plain, signed, local) for failures in range(4)],
    )

    assert addresses == [plain, plain, f"{plain}?retry=2", plain, *[signed] * 4, *[local] * 4]


async def test_later_outputs_replace_earlier_ones(relay: Running, page: Page) -> None:
    """An `output` event with `outputs` replaces the whole set, also after `postprocess_end`."""
    state = {"id": "t", "seq": 4, "state": "finishing", "updated_at": 1, "outputs": [{"url": "https://x/0.png"}]}
    event = {"type": "output", "task": "t", "seq": 5, "state": "finishing", "at": 2, "source": "reconciled"}
    outputs = [{"url": f"https://x/{n}.png"} for n in range(4)]

    (after,) = await call(
        page, relay, "src/client/reducer.js", "reduce", [state, event | {"data": {"outputs": outputs}}]
    )

    assert after["outputs"] == outputs
    assert (after["seq"], after["state"]) == (5, "finishing")


TAGS = ["long-video", "Frühling", "Straße 7", "🚀 launch", "order:12"]
SEARCHES = ["long", "LONG", "vid", "long-vid", "video long", "seedance", "v1", "frühling", "FRÜH", "strasse 7", "🚀"]
SEARCHES += ["order:1", "12", "#long", "bdwm", "", "   ", "-", unicodedata.normalize("NFD", "Frühling"), "\uff56id"]
SEARCHES += ["ong", "ideo", "long short", "video-long", "uhling", "rocket", "dwm", "v12", "order:2"]


async def test_the_dashboard_matches_search_words_as_the_relay_does(relay: Running, page: Page) -> None:
    """The browser filters tasks that join a list; the relay filters those that were there."""
    task, *names = "bdwmu65xnubzsm4bndfz6w8eqz", "bytedance/image-to-video-seedance-v1", *TAGS

    found = await call(
        page, relay, "src/board/search.js", "matchesSearch", *[[search, task, names] for search in SEARCHES]
    )

    assert found == [all_words_match(query_words(search), task, names) for search in SEARCHES]
    assert any(found)
    assert not all(found)


async def test_a_long_text_is_divided_at_line_ends(page: Page, relay: Running) -> None:
    """Every block but the last stays as it is when text is appended, and no line is lost, empty ones included."""
    text = "".join(f"Line {number}.\n" + "\n" * (number % 7 == 0) for number in range(2000))
    empty = "\n" * 5000 + "end"
    prefixes = [text[:length] for length in (0, 10, 4005, 9000, len(text) - 1, len(text))]

    *parts, whole = await call(
        page, relay, "src/element/long-text.js", "divide", *[[each] for each in [*prefixes, empty]]
    )

    assert ["\n".join(blocks) for blocks in parts] == prefixes
    assert "\n".join(whole) == empty
    for shorter, longer in pairwise(parts):
        assert longer[: len(shorter) - 1] == shorter[:-1]
    for blocks in parts:
        assert all(len(block) < 4100 and not block.endswith("\n") for block in blocks[:-1])
    assert len(parts[-1]) > 5


async def test_the_time_left_in_words(relay: Running, page: Page) -> None:
    """A narrow range is one number. Without an estimate, and while the task is stalled, nothing is said."""
    stall = {"silent_s": 90, "checked": "", "confirmed": True}
    task = {"state": "running", "stall": None, "done": None}

    def left(p50_s: float, p90_s: float, passed_s: float = 0, basis: str = "history", **more: Any) -> list[Any]:
        eta = {"p50_s": p50_s, "p90_s": p90_s, "basis": basis, "samples": 9, "at": 100.0}
        return [{**task, "eta": eta, **more}, 100.0 + passed_s]

    cases = {
        "about 7 s left": left(6.6, 8.9),
        "about 1 min 20 s left": left(80, 100),
        "20 s to 35 s left": left(20, 35),
        "10 s to 25 s left": left(20, 35, 10),
        "up to 15 s left": left(20, 35, 20),
        "longer than usual": left(20, 35, 36),
        "": left(20, 35, 36, "platform"),
    }
    silent = [left(20, 35, stall=stall), left(20, 35, done={}), [{**task, "eta": None}, 100.0], [task, 100.0]]
    shown = await call(page, relay, "src/element/time-left.js", "timeLeft", *cases.values(), *silent)
    assert shown == [*cases, "", "", "", ""]


CONTRASTS = """async (colors) => {
  const { accentFor, contrast, parseColor } = await import("/static/src/element/accent.js");
  const surfaces = { light: [255, 255, 255], dark: [21, 24, 30] };
  return colors.flatMap((text) =>
    Object.entries(surfaces).map(([theme, surface]) => {
      const { color, onColor } = accentFor(parseColor(text), theme);
      return [contrast(parseColor(color), surface), contrast(parseColor(color), parseColor(onColor))];
    }),
  );
}"""


async def test_every_accent_is_readable(relay: Running, page: Page) -> None:
    """As text and behind text, in both themes; a readable color is left as it is, and the # is optional."""
    await page.goto(relay.url + BLANK)
    colors = ["#fc0", "#ffffff", "000", "#7a3ff2", "#e0457b", "#00ff00", "#3451d1", "808080"]

    for pair in await page.evaluate(CONTRASTS, colors):
        assert min(pair) >= 4.5

    parsed = await call(
        page, relay, "src/element/accent.js", "parseColor", ["#fc0"], ["FFCC00"], ["blue"], ["#ffcc0"], ["fc0;"], [""]
    )
    assert parsed == [[255, 204, 0], [255, 204, 0], None, None, None, None]
    (kept,) = await call(page, relay, "src/element/accent.js", "accentFor", [[52, 81, 209], "light"])
    assert kept["color"] == "#3451d1"


async def test_an_estimate_names_price_and_time_if_they_are_known(relay: Running, page: Page) -> None:
    """The price is missing where the platform does not bill; without runs there is no text."""
    usual = {"p50_s": 9.2, "p90_s": 14, "samples": 46, "cost": {"p50": 0.0271, "p90": 0.03, "unit": "usd"}}
    cases: list[list[Any]] = [
        [usual],
        [usual | {"cost": None}],
        [usual | {"cost": {"p50": 4, "p90": 6, "unit": "credits"}}],
        [None],
    ]

    texts = await call(page, relay, "src/form/estimate.js", "estimateText", *cases)
    (basis,) = await call(page, relay, "src/form/estimate.js", "estimateBasis", [usual])

    assert texts == ["about $0.027, 9.2 s", "about 9.2 s", "about 4 credits, 9.2 s", ""]
    assert basis == "Based on 46 earlier runs. Nine of ten needed at most 14 s and $0.03."
