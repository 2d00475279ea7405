"""Recordings of real platforms, played against a whole relay: nothing is lost and nothing is wrong."""

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from relay.core import schedule
from relay.core.events import LogOutput, Progress, ProgressOutput, Results, Stall, State
from relay.core.lifecycle import NO_OUTPUTS
from relay.sandbox import Sandbox
from tests.lab import FINISHED, Line, ended, frame, of_task, picture, record, running, said, sent

if TYPE_CHECKING:
    from tests.stories.platform.conftest import MakeStand, Stand, Story

MODEL = "lab/any"
ANSWERED: dict[str, Any] = {"channel": "Task/Detail", "count": 1, "answered": True}
"""Waits until the record was read once: the relay has its first look behind it."""


async def begun(stand: "Stand") -> str:
    """Start a task of the recording."""
    status, made = await stand.post(model=MODEL)
    assert status == 201, made
    task: str = made["task"]["id"]
    return task


async def play(standing: "MakeStand", *lines: Line, **settings: object) -> "Story":
    """Play a recording to a relay, and return the story of its task."""
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(Sandbox(script=lines))
        stand = await stack.enter_async_context(standing(sandbox, **settings))
        task = await begun(stand)
        token = await stand.mint(task, "view")
        viewer = stand.viewer(task, token, "ws")
        await viewer.to_the_end()
        return await stand.read(task)


def named(story: "Story") -> list[str | None]:
    return [output.name for output in story.end.outputs]


class TestResults:
    async def test_pictures_that_only_the_record_has_are_results(self, standing: "MakeStand") -> None:
        """The frame has one of four; the others follow in an `output` before the end."""
        four = [picture(f"{number}.png") for number in range(4)]
        story = await play(standing, *running(), *ended(four[:1], four))

        assert named(story) == ["0.png", "1.png", "2.png", "3.png"]
        told_twice = [(event.type, event.state) for event in story.log if isinstance(event.data, Results)]
        assert told_twice == [("postprocess_end", State.FINISHING), ("output", State.FINISHING)]

    async def test_a_type_and_a_size_are_taken_from_the_record(self, standing: "MakeStand") -> None:
        """The frame lacks them."""
        bare = {"url": "{{cdn}}/file?id=7"}
        full = {"name": "clip", "contenttype": "video/mp4", "size": "10", "url": "{{cdn}}/file?id=7"}
        story = await play(standing, *running(), *ended([bare], [full]))

        (output,) = story.end.outputs
        assert (output.content_type, output.size, output.name) == ("video/mp4", 10, "clip")

    async def test_results_that_follow_the_success_are_waited_for(
        self, standing: "MakeStand", monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The first record with an end has none."""
        monkeypatch.setattr(schedule, "INCOMPLETE_CHECKS_S", (0.02, 0.05, 10.0))
        story = await play(
            standing,
            *running(),
            *ended([], []),
            sent("Task/Detail", count=3, answered=True),
            record(outputs=[picture()]),
        )

        assert named(story) == ["0.png"]
        assert story.end.done is not None
        assert story.end.done.warnings == ()

    async def test_a_success_without_results_has_a_warning(self, standing: "MakeStand") -> None:
        """It still ends."""
        story = await play(standing, *running(), *ended([], []))

        assert story.end.done is not None
        assert (story.end.done.verdict, story.end.done.warnings) == ("succeeded", (NO_OUTPUTS,))

    @pytest.mark.parametrize("without", ["frame", "record"])
    async def test_results_are_complete_if_either_source_lacks_them(self, standing: "MakeStand", without: str) -> None:
        """The frame has all and the record none, or the other way round."""
        both = [picture("0.png"), picture("1.png")]
        lines = ended(both, []) if without == "record" else ended(None, both)
        story = await play(standing, *running(), *lines)

        assert named(story) == ["0.png", "1.png"]

    async def test_outputs_of_a_record_that_is_not_final_are_not_shown(self, standing: "MakeStand") -> None:
        """Before the end, the platform's addresses are temporary."""
        story = await play(
            standing,
            *running(),
            record(outputs=[picture("temporary.png")], status="task_start"),
            frame("task_output", "working"),
            said("record", body={"debugoutput": "working\n"}),
            *ended([picture("final.png")]),
        )
        assert named(story) == ["final.png"]

    async def test_every_shape_of_an_output_is_understood(self, standing: "MakeStand") -> None:
        """Without a type, with a short one, as a bare address, and without a scheme."""
        outputs = [
            {"url": "{{cdn}}/pic.png?X=1"},
            {"name": "x", "url": "{{cdn}}/v.mp4"},
            {"url": "{{cdn}}/a", "contenttype": "png"},
            {"url": "{{cdn}}/b.webp", "contenttype": "application/octet-stream"},
            "{{cdn}}/plain.png",
            {"url": "//cdn.example/g.webp"},
        ]
        story = await play(standing, *running(), *ended(outputs))

        types = [output.content_type for output in story.end.outputs]
        assert types == ["image/png", "video/mp4", "image/png", "image/webp", "image/png", "image/webp"]
        assert story.end.outputs[-1].url == "https://cdn.example/g.webp"


class TestLogs:
    async def test_equal_lines_around_the_opening_of_the_socket_are_all_kept(self, standing: "MakeStand") -> None:
        """Two before the socket was open and three after it make five."""
        story = await play(
            standing,
            record(debugoutput="tick\ntick\n"),
            *running(),
            sent(**ANSWERED),
            *(
                line
                for count in (3, 4, 5)
                for line in (frame("task_output", "tick\n"), record(debugoutput="tick\n" * count))
            ),
            record(debugoutput="tick\n" * 5 + "end\n", at_s=0.8),
            frame("task_output", "end\n", at_s=0.8),
            *ended([picture()], at_s=0.8),
        )
        assert story.text("stdout") == "tick\n" * 5 + "end\n"

    async def test_equal_lines_around_a_disconnection_are_all_kept(self, standing: "MakeStand") -> None:
        """Twelve lines, some of them written while the socket was closed."""
        story = await play(
            standing,
            *running(),
            sent(**ANSWERED),
            *(frame("task_output", "tick\n") for _ in range(4)),
            record(debugoutput="tick\n" * 4),
            said("socket", close=1006),
            record(debugoutput="tick\n" * 8),
            sent("socket"),
            *(frame("task_output", "tick\n") for _ in range(4)),
            record(debugoutput="tick\n" * 12),
            record(debugoutput="tick\n" * 12 + "end\n", at_s=0.8),
            frame("task_output", "end\n", at_s=0.8),
            *ended([picture()], at_s=0.8),
        )
        assert story.text("stdout") == "tick\n" * 12 + "end\n"

    async def test_messages_without_a_line_end_are_lines(self, standing: "MakeStand") -> None:
        """As in the platform's documents."""
        story = await play(
            standing,
            *running(),
            *(frame("task_output", f"line {number}") for number in range(5)),
            *(frame("task_error", f"warn {letter}") for letter in "ab"),
            record(
                debugoutput="".join(f"line {number}\n" for number in range(5)),
                debugerror="warn a\nwarn b\n",
            ),
            *ended([picture()]),
        )
        assert story.text("stdout") == "line 0\nline 1\nline 2\nline 3\nline 4\n"
        assert story.text("stderr") == "warn a\nwarn b\n"

    async def test_an_object_without_progress_is_logged_as_text(self, standing: "MakeStand") -> None:
        """Whatever its keys are."""
        story = await play(
            standing,
            *running(),
            frame("task_output", {"type": "info", "message": "Frame 12 of 300"}),
            frame("task_output", {"type": "status", "text": "Uploading frames"}),
            frame("task_output", {"novel": 7}),
            *ended([picture()]),
        )
        text = story.text("stdout")
        assert "Frame 12 of 300" in text
        assert "Uploading frames" in text
        assert '"novel":7' in text
        assert story.end.segments == ()

    async def test_live_lines_are_shown_while_reading_the_record_hangs(self, standing: "MakeStand") -> None:
        """None waits for the call; missed lines are inserted before them when it ends."""
        lines = (
            record(debugoutput="before\n"),
            said("Task/Detail", fault="hang", times=1),
            *running(),
            frame("task_output", "live\n"),
            record(debugoutput="before\nlive\n"),
            sent("Task/List", wait=True),
            *ended([picture()]),
        )
        async with Sandbox(script=lines) as sandbox, standing(sandbox, request_timeout_s=600.0) as stand:
            task = await begun(stand)
            viewer = stand.viewer(task, await stand.mint(task, "view"), "ws")
            state = await viewer.until(lambda state: state.log)
            assert [entry.text for entry in state.log] == ["live\n"]
            assert not any(isinstance(event.data, LogOutput) and event.seq > state.seq for event in viewer.events)

    async def test_missed_lines_are_inserted_before_the_live_ones(self, standing: "MakeStand") -> None:
        """The record comes late, and its lines are put in order."""
        story = await play(
            standing,
            record(debugoutput="one\ntwo\n"),
            said("Task/Detail", delay_s=0.3, times=1),
            *running(),
            frame("task_output", "three\n"),
            record(debugoutput="one\ntwo\nthree\n"),
            sent(**ANSWERED),
            *ended([picture()]),
        )
        assert story.text("stdout") == "one\ntwo\nthree\n"


class TestTimes:
    @pytest.mark.parametrize("offset_s", [600, -600, -30, 0])
    @pytest.mark.parametrize("silent", [False, True])
    async def test_durations_are_measured_by_the_relays_clock(
        self, standing: "MakeStand", offset_s: int, silent: bool
    ) -> None:
        """None is negative; no time is before the start or after the end of the task."""
        clock = {"from": "platform", "at_s": 0, "task": "*", "channel": "clock", "body": {"offset_s": offset_s}}
        stamps = ("accepttime", "assigntime", "starttime")
        story = await play(
            standing,
            clock,
            *([] if silent else running()),
            *(said("record", body={stamp: "{{now}}"}) for stamp in stamps),
            record(status="task_start"),
            said("record", body={"endtime": "{{now}}", **FINISHED, "outputs": [picture()]}),
            *([] if silent else ended([picture()])),
            said("callback"),
        )
        end = story.end
        assert end.ended_at is not None
        times = [mark.at for mark in end.stages]
        assert end.created_at <= min(times) <= max(times) <= end.ended_at
        assert end.ended_at - end.created_at < 20

    @pytest.mark.parametrize("offset_s", [600, -600])
    async def test_a_lost_run_is_found_by_the_platforms_clock(self, standing: "MakeStand", offset_s: int) -> None:
        """The platform's list dates it minutes before or after it was sent."""
        lines = (
            said("clock", body={"offset_s": offset_s}, task="*"),
            *of_task("first", *running(), *ended([picture()])),
            *of_task("second", said("Run", body="", fault="drop"), *running(), *ended([picture("1.png")])),
        )
        async with Sandbox(script=lines) as sandbox, standing(sandbox) as stand:
            first = await begun(stand)
            await stand.viewer(first, await stand.mint(first, "view"), "ws").to_the_end()
            status, made = await stand.post(model=MODEL)
            second = made["task"]["id"]
            state = await stand.viewer(second, await stand.mint(second, "view"), "ws").to_the_end()

        assert status == 202
        assert [output.name for output in state.outputs] == ["1.png"]


class TestSilence:
    async def test_a_task_in_the_platforms_queue_is_not_stalled(self, standing: "MakeStand") -> None:
        """However often the record says the same."""
        lines = (sent("socket"), frame("task_queue"), sent("Task/Detail", count=5, answered=True), *ended([picture()]))
        story = await play(standing, *lines, silence_s=0.05)

        assert [event.state for event in story.of("stall")] == []

    async def test_a_silent_run_is_a_stall_that_the_record_confirms(self, standing: "MakeStand") -> None:
        """The record says that it is running."""
        lines = (
            record(status="task_start"),
            *running(),
            sent("Task/Detail", count=2, answered=True),
            *ended([picture()]),
        )
        story = await play(standing, *lines, silence_s=0.05)

        assert [event.data.confirmed for event in story.of("stall") if isinstance(event.data, Stall)] == [True]


class TestProgress:
    async def test_a_new_label_begins_a_phase(self, standing: "MakeStand") -> None:
        """The bar restarts; the overall percent does not go back, and an impossible value is dropped."""
        said_by = [
            {"type": "progressGenerate", "task": "Sampling", "percentage": "100"},
            {"type": "progressGenerate", "task": "Upscaling", "stepCurrent": "3", "stepTotal": "10"},
            {"type": "progressGenerate", "task": "Upscaling", "percentage": "150"},
            {"type": "progressGenerate", "task": "Upscaling", "percentage": "NaN"},
            {"type": "progressGenerate", "task": "Upscaling", "percentage": "40"},
        ]
        lines = [line for each in said_by for line in (frame("task_output", each), frame("task_output", "a line"))]
        story = await play(standing, *running(), *lines, *ended([picture()]))

        shown: list[Progress] = [e.data.progress for e in story.log if isinstance(e.data, ProgressOutput)]
        phases = [(each.phase.index, each.phase.label, each.phase.percent) for each in shown if each.phase]
        assert list(dict.fromkeys(phases)) == [(0, "Sampling", 100.0), (1, "Upscaling", 30.0), (1, "Upscaling", 40.0)]
        assert {each.percent for each in shown} == {100.0}


class TestApikley:
    @pytest.mark.parametrize(
        ("state", "verdict"),
        [
            ("failed", "failed"),
            ("error", "failed"),
            ("expired", "failed"),
            ("FAIL", "failed"),
            ("succeeded", "succeeded"),
            ("completed", "succeeded"),
            ("Success", "succeeded"),
        ],
    )
    async def test_every_spelling_of_an_end_ends_the_task(
        self, standing: "MakeStand", state: str, verdict: str
    ) -> None:
        """With the reason or the results next to it."""
        lines = (
            sent("jobs/recordInfo", answered=True),
            record(
                state=state,
                failMsg="The prompt was refused" if verdict == "failed" else "",
                resultJson='{"resultUrls":["https://cdn.example/a.png"]}' if verdict == "succeeded" else "",
                completeTime="{{now_ms:number}}",
            ),
            said("callback"),
        )
        async with AsyncExitStack() as stack:
            sandbox = await stack.enter_async_context(Sandbox(script=lines))
            stand = await stack.enter_async_context(
                standing(
                    sandbox,
                    wiro_api_key=None,
                    wiro_api_secret=None,
                    apikley_api_key=sandbox.apikley_key,
                    apikley_api_url=sandbox.apikley_url,
                    public_url="http://127.0.0.1:1",
                )
            )
            body = {"model": MODEL, "provider": "apikley", "input": {"prompt": "a cat"}}
            async with stand.client.post("/v1/tasks", json=body) as answer:
                task = (await answer.json())["task"]["id"]
            viewer = stand.viewer(task, await stand.mint(task, "view"), "ws")
            end = await viewer.to_the_end()
        assert end.done is not None
        assert end.done.verdict == verdict
        if verdict == "failed":
            assert end.done.error is not None
            assert end.done.error.message == "The prompt was refused"
        else:
            assert [output.content_type for output in end.outputs] == ["image/png"]
