"""Faults of the REST calls, of callbacks and of file servers: viewers still see what happened."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from relay.core import lifecycle
from relay.core.events import Hold, Source
from relay.sandbox import Sandbox
from relay.tasks import record_reader

if TYPE_CHECKING:
    from tests.stories.platform.conftest import MakeStand, Stand, Story

UNCLEAR = ("drop", "408", "500", "502:html", "503:empty", "200:html", "200:truncated", "200:empty", "hang")


async def story_of(stand: "Stand", made: dict[str, Any]) -> "Story":
    """Follow a task to its end, given the answer to its start."""
    task, token = made["task"]["id"], made["token"]
    viewers = [stand.viewer(task, token, "ws"), stand.viewer(task, token, "sse")]
    ends = [await viewer.to_the_end() for viewer in viewers]
    upstream_id = ends[0].upstream_id
    story = await stand.read(task, stand.sandbox.tasks[upstream_id] if upstream_id else None)
    assert all(end == story.end for end in ends)
    return story


@pytest.mark.parametrize("switches", [{"run_envelope": "data"}, {"run_taskid": "number"}])
async def test_every_form_of_the_answer_to_a_run_is_understood(stand: "Stand", switches: dict[str, Any]) -> None:
    """Flat or in `data`; the id is a string or a number."""
    story = await stand.story(**switches)

    story.check_truth()
    assert story.truth is not None
    assert story.end.upstream_id == story.truth.id


async def test_a_task_without_a_socket_token_is_followed_by_its_record(stand: "Stand") -> None:
    """It has no stream, so the record is polled."""
    status, made = await stand.post(run_token_missing=True)
    story = await story_of(stand, made)

    assert status == 201
    story.check_truth()
    story.check_logs()
    assert set(story.sources.values()) == {Source.RECONCILED}


def timeout_s(fault: str) -> float:
    """Return how long a call may last: an answer that never comes must not take the time of a test."""
    return 2.0 if fault == "hang" else 30.0


@pytest.mark.parametrize("fault", UNCLEAR)
async def test_a_run_that_was_started_although_its_answer_was_lost_is_found(
    make_stand: "MakeStand", fault: str
) -> None:
    """It is sent once, reported as unconfirmed, found in the list, and followed."""
    async with make_stand(request_timeout_s=timeout_s(fault)) as stand:
        status, made = await stand.post(run_http=f"{fault}*1", run_http_started=True, await_subscriber=True)
        story = await story_of(stand, made)

    assert (status, len(stand.sandbox.runs)) == (202, 1)
    story.check_truth()
    story.check_logs()


@pytest.mark.parametrize("fault", [*UNCLEAR, "drop_before"])
async def test_a_run_that_was_not_started_and_whose_answer_was_lost_is_lost(
    make_stand: "MakeStand", fault: str
) -> None:
    """The relay cannot know: it searches for the run and reports it lost with evidence, and does not send it again."""
    async with make_stand(request_timeout_s=timeout_s(fault)) as stand:
        status, made = await stand.post(run_http=fault, run_http_started=False)
        story = await story_of(stand, made)

    assert (status, len(stand.sandbox.runs)) == (202, 1)
    done = story.end.done
    assert done is not None
    assert (done.verdict, done.inferred, done.billed) == ("lost", True, None)
    assert [event.type for event in story.log] == ["submit", "done"]


@pytest.mark.parametrize("switches", [{"run_http": str(code)} for code in (401, 403, 404, 429)])
async def test_a_run_that_was_refused_has_failed_unbilled(stand: "Stand", switches: dict[str, Any]) -> None:
    """The client gets the problem; the log has the reason."""
    status, problem = await stand.post(retry_after_s=7, **switches)
    story = await stand.read(problem["task"])

    assert status == (429 if switches["run_http"] == "429" else 502)
    done = story.end.done
    assert done is not None
    assert (done.verdict, done.billed, done.error is None) == ("failed", False, False)
    assert [event.type for event in story.log] == ["submit", "done"]


async def test_a_task_is_queued_while_the_platform_is_at_capacity(standing: "MakeStand") -> None:
    """Code 96: the task is held with its position, submitted again when there is capacity, and then followed."""
    async with Sandbox(speed=200, concurrency=1) as sandbox, standing(sandbox) as stand:
        first = await stand.begin()
        status, made = await stand.post(prompt="another", await_subscriber=True)
        viewer = stand.viewer(made["task"]["id"], made["token"], "ws")
        # It is at position 0 while it is submitted again.
        await viewer.until(lambda state: state.hold is not None and state.hold.position == 1)
        sandbox.release(first.truth.id)
        (await stand.ended(first)).check_truth()
        end = await viewer.to_the_end()
        story = await story_of(stand, made)

    assert status == 202
    assert story.end == end
    story.check_truth()
    story.check_logs()
    holds = [event.data.position for event in story.log if isinstance(event.data, Hold)]
    assert holds[-1] == 0
    assert [task.identity.prompt for task in sandbox.tasks.values()] == ["a cat", "another"]


DETAIL_FAULTS = (
    "401",
    "404",
    "408",
    "429",
    "500",
    "503:empty",
    "502:html",
    "200:html",
    "200:truncated",
    "drop",
    "hang",
)


@pytest.mark.parametrize("fault", DETAIL_FAULTS)
async def test_a_record_that_cannot_be_read_for_a_while_is_read_later(make_stand: "MakeStand", fault: str) -> None:
    """Live events continue; the end waits for the record."""
    async with make_stand(request_timeout_s=0.2) as stand:
        story = await stand.story(detail_http=f"{fault}*3")

    story.check_truth()
    story.check_logs()
    assert story.end.done is not None
    assert not story.end.done.inferred


@pytest.mark.parametrize("exit_code", [0, 1])
@pytest.mark.parametrize("dialect", ["gen1", "gen2"])
@pytest.mark.parametrize("switches", [{"detail_http": "500"}, {"detail_error": "1:There is no task yet."}])
async def test_without_a_record_the_terminal_frame_decides(
    stand: "Stand", monkeypatch: pytest.MonkeyPatch, switches: dict[str, Any], dialect: str, exit_code: int
) -> None:
    """After a time limit; the verdict is marked as inferred, with its evidence."""
    monkeypatch.setattr(lifecycle, "SETTLE_S", 0.3)
    story = await stand.story(dialect=dialect, exit=exit_code, **switches)

    story.check_truth()
    story.check_logs()
    done = story.end.done
    assert done is not None
    assert done.inferred
    assert done.exit_code == (exit_code if dialect == "gen2" else None)
    assert done.evidence[0] == "frame: the task finished"


async def test_retry_after_is_respected(stand: "Stand", monkeypatch: pytest.MonkeyPatch) -> None:
    """A platform that asks for 7 s is not called sooner."""
    asked: list[float | None] = []

    def waited(_failures: int, *, asked_s: float | None = None) -> float:
        asked.append(asked_s)
        return 0.0

    monkeypatch.setattr(record_reader, "full_jitter", waited)
    (await stand.story(detail_http="429*2", retry_after_s=7)).check_truth()

    assert asked == [7.0, 7.0]


@pytest.fixture
async def called_back(make_stand: "MakeStand") -> AsyncIterator["Stand"]:
    """A relay that the platform can call back."""
    async with make_stand() as stand:
        port = int(stand.relay.url.rsplit(":", 1)[1])  # only to learn a free one
    async with make_stand(port=port, public_url=f"http://127.0.0.1:{port}") as stand:
        yield stand


CALLBACKS: tuple[dict[str, Any], ...] = (
    {"webhook": "tasklist"},
    {"webhook": "task"},
    {"webhook": "status"},
    {"webhook_times": 3},
    {"webhook_delay_s": 0.2},
    {"webhook_early": True, "detail_lag_s": 0.1},
)


@pytest.mark.parametrize("switches", [*CALLBACKS, {"webhook": "none"}], ids=str)
async def test_a_callback_changes_nothing_for_a_task_with_a_stream(
    called_back: "Stand", switches: dict[str, Any]
) -> None:
    """Whatever its content, and whenever and however often it comes, even long after the end."""
    story = await called_back.story(**switches)

    story.check_truth()
    story.check_logs()


@pytest.mark.parametrize("switches", CALLBACKS, ids=str)
async def test_a_callback_reveals_the_end_of_a_task_with_a_silent_stream(
    called_back: "Stand", switches: dict[str, Any]
) -> None:
    """Its content is not used: the record is read, repeatedly if it has no end yet."""
    story = await called_back.story(silent=True, **switches)

    story.check_truth()
    story.check_logs()
    assert Source.LIVE not in story.sources.values()


async def test_a_slow_or_forbidden_file_changes_no_verdict(stand: "Stand") -> None:
    """Viewers get the address and load the file from the platform themselves."""
    for switches, asked, status in (
        ({}, {"Range": "bytes=0-9"}, 206),
        ({}, {"Range": "bytes=99999999-"}, 416),
        ({"cdn_delay_s": 0.05}, {}, 200),
        ({"cdn_status": 403}, {}, 403),
        ({"cdn_expires_s": 0}, {}, 403),
    ):
        story = await stand.story(**switches)
        story.check_truth()
        (picture,) = story.end.outputs
        assert picture.url is not None
        async with aiohttp.ClientSession() as session, session.get(picture.url, headers=asked) as answer:
            body = await answer.read()
        assert answer.status == status
        if status == 200:
            assert len(body) == picture.size


async def test_pings_are_answered_for_as_long_as_the_task_runs(standing: "MakeStand") -> None:
    """The platform drops clients that do not answer: after many pings the first socket is still open."""
    async with Sandbox(speed=10, heartbeat_s=0.25) as sandbox, standing(sandbox) as stand:
        story = await stand.story()

    story.check_truth()
    assert story.truth is not None
    assert story.truth.details_read == 2  # at the opening and at the end: it was never opened again
