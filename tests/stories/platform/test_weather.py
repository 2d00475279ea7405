"""Combinations of faults: whatever the platform does, viewers see the true end."""

import asyncio
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from hypothesis import given, note, settings
from hypothesis import strategies as st

from relay.sandbox import Sandbox

if TYPE_CHECKING:
    from tests.stories.platform.conftest import MakeStand

STAGES = (
    "task_queue",
    "task_accept",
    "task_preprocess_start",
    "task_assign",
    "task_start",
    "task_output",
    "task_end",
    "task_postprocess_start",
)
ODD = ("not_json", "array", "unknown_type", "half_emoji", "binary", "agent", "realtime", "foreign", "foreign_log")

SWITCHES: dict[str, st.SearchStrategy[Any]] = {
    "dialect": st.sampled_from(["gen0", "gen1", "gen2"]),
    "stage_order": st.sampled_from(["old", "new"]),
    "verdict_fields": st.sampled_from(["all", "terminal", "none"]),
    "null_message": st.sampled_from(["null", "empty", "absent"]),
    "tasktoken_missing": st.booleans(),
    "message_json_string": st.booleans(),
    "ack": st.booleans(),
    "tqdm": st.booleans(),
    "straggler": st.booleans(),
    "silent": st.booleans(),
    "no_terminal": st.booleans(),
    "duplicate_every": st.integers(0, 4),
    "reorder_every": st.integers(0, 4),
    "stderr_lines": st.integers(0, 5),
    "early_close": st.builds("{}:{}".format, st.sampled_from(STAGES), st.sampled_from([1000, 1001, 1006, 1011])),
    "odd_frames": st.lists(st.sampled_from(ODD), min_size=1, max_size=4).map("|".join),
    "exit": st.sampled_from([0, 1, 137]),
    "persisted_error": st.just("recovers"),
    "pexit_missing": st.booleans(),
    "outputs": st.sampled_from(["list", "holes", "json"]),
    "timestamps": st.sampled_from(["s", "ms", "date"]),
    "aliases": st.booleans(),
    "detail_lag_polls": st.integers(0, 4),
    "detail_lag_s": st.sampled_from([0.0, 0.05]),
    "detail_empty_polls": st.integers(0, 2),
    "detail_http": st.sampled_from(["500*2", "502:html*1", "drop*2", "429*1", "200:truncated*3"]),
    "stop_http": st.sampled_from(["500*1", "drop*1"]),
}
NO_TELLING = {"straggler", "duplicate_every", "reorder_every", "detail_empty_polls", "detail_http", "odd_frames"}
"""With these no log can be known to be whole: frames have no number, and the record may come too late to sort them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """The faults of one task. At `stage` it waits for an action."""

    switches: dict[str, Any]
    stage: str
    act: Literal["wait", "restart", "cancel", "restart and cancel", "cancel and restart"]


weathers = st.builds(
    Weather,
    switches=st.fixed_dictionaries({}, optional=SWITCHES),
    stage=st.sampled_from(STAGES),
    act=st.sampled_from(["wait", "wait", "restart", "restart", "cancel", "restart and cancel", "cancel and restart"]),
)


async def play(standing: "MakeStand", weather: Weather) -> None:
    """Run one task with these faults, with a relay that may restart in the middle."""
    with tempfile.TemporaryDirectory() as folder:
        async with Sandbox(speed=500) as sandbox:
            store = f"sqlite:///{folder}/relay.db"
            async with standing(sandbox, store=store) as stand:
                ward = await stand.begin(hold_at=weather.stage, **weather.switches)
                if weather.stage != "task_queue":
                    sandbox.release(ward.truth.id)
                    await ward.truth.until(lambda task: task.holding_at == weather.stage)
                if weather.act.startswith("cancel"):
                    await stand.cancel(ward.id)
                if "restart" not in weather.act:
                    await to_its_end(stand, ward, weather)
                    return
            async with standing(sandbox, store=store) as stand:
                ward = await stand.resume(ward)
                if weather.act.endswith("cancel"):
                    await stand.cancel(ward.id)
                await to_its_end(stand, ward, weather)


async def to_its_end(stand: Any, ward: Any, weather: Weather) -> None:
    """Let the task continue, and check the end that viewers see."""
    if "cancel" in weather.act and ward.truth.verdict is None:
        await stand.cancel(ward.id)
    stand.sandbox.release(ward.truth.id)
    await ward.truth.until(lambda task: task.verdict)
    await stand.look_now(ward.id)
    story = await stand.ended(ward)
    story.check_truth()
    assert ("cancel" in weather.act) == (ward.truth.verdict == "canceled")
    assert len(story.of("cancel")) == ("cancel" in weather.act)
    if not NO_TELLING & {name for name, value in weather.switches.items() if value}:
        story.check_logs()


@settings(max_examples=25, deadline=None)
@given(weather=weathers)
def test_any_combination_of_faults_leads_to_the_true_end(standing: "MakeStand", weather: Weather) -> None:
    """Verdict, stages and outputs are the platform's, without gaps, with one `done`, the same for every viewer."""
    note(str(weather))
    asyncio.run(play(standing, weather))
