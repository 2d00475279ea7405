"""
Plans: what the seed determines, and how switches change the course of a task.

`chat`, `frame_faults` and `steps` are tested here too.
"""

from itertools import pairwise

import pytest

from relay.sandbox.switches.directives import directives
from relay.sandbox.switches.faults import Faults
from relay.sandbox.switches.values import Dialect
from relay.sandbox.wiro import catalogue
from relay.sandbox.wiro.plan import plan
from relay.sandbox.wiro.record import Identity
from relay.sandbox.wiro.steps import Answer, Log, Odd, Progress, Step


def planned(
    switches: str = "", *, slug: str = "ByteDance/seedream-v4", index: int = 1, seed: int = 7, dialect: Dialect = "gen1"
) -> tuple[Step, ...]:
    model = catalogue.find(*slug.split("/"))
    assert model is not None
    faults = Faults().with_switches(directives([f"[sandbox: {switches}]"]))
    task = Identity(
        id="1",
        token="aToken",
        folder="aFolder",
        index=index,
        model=model,
        parameters={},
        callback_url="",
        prompt="a cat",
        images=1,
        size=(1, 1),
        dialect=dialect,
        faults=faults,
        cdn_url="",
    )
    return plan(task, seed)


@pytest.mark.parametrize("slug", [model.slug for model in catalogue.MODELS])
def test_the_same_seed_and_index_give_the_same_plan(slug: str) -> None:
    """A task can be repeated exactly."""
    assert planned(slug=slug) == planned(slug=slug)


@pytest.mark.parametrize("slug", [model.slug for model in catalogue.MODELS])
def test_other_seeds_and_indexes_give_other_plans(slug: str) -> None:
    """Tasks of one model differ from each other."""
    assert len({planned(slug=slug), planned(slug=slug, index=2), planned(slug=slug, seed=8)}) == 3


@pytest.mark.parametrize(
    ("slug", "least_s", "most_s"),
    [
        ("ByteDance/seedream-v4", 8, 14),
        ("ByteDance/image-to-video-seedance-v1", 32, 48),
        ("wiro/sandbox-chat", 6, 12),
    ],
)
def test_tasks_take_as_long_as_real_ones(slug: str, least_s: float, most_s: float) -> None:
    """A picture takes about 10 s, a video 40 s, an answer 8 s, and steps are in order of time."""
    steps = planned(slug=slug)

    assert least_s < steps[-1].at_s < most_s
    assert [step.at_s for step in steps] == sorted(step.at_s for step in steps)


def stages(steps: tuple[Step, ...]) -> list[str]:
    return [step.status for step in steps if step.status and step.recorded and step.status != "task_output"]


def test_gen_1_preprocesses_before_it_assigns_and_gen_0_after() -> None:
    """A switch overrides the order of the dialect."""
    new = ["task_preprocess_start", "task_preprocess_end", "task_assign"]
    old = ["task_assign", "task_preprocess_start", "task_preprocess_end"]

    assert stages(planned())[2:5] == new
    assert stages(planned(dialect="gen0"))[2:5] == old
    assert stages(planned("stage_order=old"))[2:5] == old
    assert stages(planned("preprocess_skipped"))[2:4] == ["task_assign", "task_start"]


def test_progress_restarts_in_each_phase() -> None:
    """The percentage returns to 0 when the label changes."""
    progress = [step.body for step in planned() if isinstance(step.body, Progress)]

    assert [body.task for body in progress if body.percentage == "0"] == ["Generate", "Decode"]
    assert [body.task for body in progress if body.percentage == "100"] == ["Generate", "Decode"]


def test_raw_percentages_are_sent_in_turn() -> None:
    """They replace the real percentages."""
    progress = [step.body for step in planned("percentages=100|0|NaN||>100") if isinstance(step.body, Progress)]

    assert [body.percentage for body in progress[:7]] == ["100", "0", "NaN", "", ">100", "100", "0"]


def test_tqdm_replaces_progress_objects_with_text() -> None:
    """The text has carriage returns and percent signs."""
    steps = planned("tqdm")

    assert not [step for step in steps if isinstance(step.body, Progress)]
    assert [step for step in steps if isinstance(step.body, Log) and step.body.text.startswith("\r 50%|█████ ")]


def test_each_state_of_an_answer_extends_the_one_before() -> None:
    """The last state is marked as final."""
    answers = [step.body for step in planned(slug="wiro/sandbox-chat") if isinstance(step.body, Answer)]
    texts = ["".join(part.text for part in answer.segments) for answer in answers]

    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
    assert [answer.final for answer in answers] == [False] * (len(answers) - 1) + [True]
    assert {part.type for part in answers[-1].segments} == {"thinking", "answer"}


def test_a_long_answer_has_chunks_of_six_characters() -> None:
    """The switches set the number of chunks, including the thinking, and their rate."""
    steps = planned("answer_chunks=2000, answer_chunks_per_s=100, stderr_lines=0", slug="wiro/sandbox-chat")
    told = [(step.at_s, step.body) for step in steps if isinstance(step.body, Answer)]
    lengths = [sum(len(part.text) for part in answer.segments) for _, answer in told]

    assert lengths == list(range(6, 12_001, 6))
    assert 19 < told[-1][0] - told[0][0] < 21


def test_a_slip_is_in_one_state_only() -> None:
    """All other states are the same as without it."""
    slipped, straight = (
        [step.body.segments for step in planned(switches, slug="wiro/sandbox-chat") if isinstance(step.body, Answer)]
        for switches in ("answer_slip", "answer_slip=off")
    )
    (odd,) = [state for state in slipped if state not in straight]

    assert [state for state in slipped if state != odd] == straight
    assert not slipped[slipped.index(odd) + 1][-1].text.startswith(odd[-1].text)


def test_a_failure_ends_the_run_early_with_a_traceback() -> None:
    """The stages after the run follow as usual."""
    steps = planned("exit=1, stderr_lines=0")
    progress = [step.body for step in steps if isinstance(step.body, Progress)]
    errors = [step.body.text for step in steps if step.type == "task_error" and isinstance(step.body, Log)]

    assert errors[0].startswith("Traceback")
    assert progress[-1].percentage != "100"
    assert [step.type for step in steps][-5:] == [
        "task_output_full",
        "task_error_full",
        "task_end",
        "task_postprocess_start",
        "task_postprocess_end",
    ]


def test_the_number_of_stderr_lines_can_be_set() -> None:
    """Without any there is no `task_error_full`."""
    noisy, quiet = planned("stderr_lines=9"), planned("stderr_lines=0")

    assert sum(step.type == "task_error" for step in noisy) == 9
    assert not [step for step in quiet if step.type in ("task_error", "task_error_full")]


def test_a_persisted_error_goes_back_to_the_queue_or_stays() -> None:
    """The status `task_error` is not the end, but it can be the last status."""
    assert stages(planned("persisted_error=recovers"))[:5] == [
        "task_queue",
        "task_accept",
        "task_error",
        "task_queue",
        "task_accept",
    ]
    assert stages(planned("persisted_error=stays")) == ["task_queue", "task_accept", "task_error"]


def test_a_duplicate_is_sent_twice_and_recorded_once() -> None:
    """Every second frame is repeated immediately."""
    steps, plain = planned("duplicate_every=2"), planned()

    assert len(steps) == len(plain) + len(plain) // 2
    assert [step for step in steps if step.recorded] == list(plain)
    assert (steps[2].type, steps[2].sent, steps[2].recorded) == (steps[1].type, True, False)


def test_reordering_swaps_frames_but_not_the_record() -> None:
    """The same frames are sent in a different order."""
    steps, plain = planned("reorder_every=3"), planned()
    sent = [step.body or step.type for step in steps if step.sent]
    meant = [step.body or step.type for step in plain]

    assert [step.type for step in steps if step.recorded] == [step.type for step in plain]
    assert sent != meant
    assert sorted(map(str, sent)) == sorted(map(str, meant))
    assert steps[-1].terminal


def test_a_silent_task_passes_all_stages_without_frames() -> None:
    """`silent` removes all frames, `no_terminal` the last one; the record does not change."""
    plain = stages(planned())

    assert stages(planned("silent")) == stages(planned("no_terminal")) == plain
    assert not [step for step in planned("silent") if step.sent]
    assert [step.type for step in planned("no_terminal") if not step.sent] == ["task_postprocess_end"]


def test_a_straggler_follows_the_terminal_frame() -> None:
    """It is sent but not recorded."""
    assert [(step.type, step.recorded) for step in planned("straggler")[-2:]] == [
        ("task_postprocess_end", True),
        ("task_output", False),
    ]


def test_odd_frames_are_sent_during_the_run() -> None:
    """They are between start and end."""
    steps = planned("odd_frames=array|binary")
    types = [step.type for step in steps]
    places = [place for place, step in enumerate(steps) if isinstance(step.body, Odd)]

    assert len(places) == 2
    assert all(types.index("task_start") < place < types.index("task_end") for place in places)


def test_a_late_frame_is_not_after_the_terminal_frame() -> None:
    """Only a straggler is; the frame before the end keeps its place or is sent with it."""
    for every in range(1, 8):
        steps = [step for step in planned(f"reorder_every={every}") if step.sent]
        assert steps[-1].terminal


def test_a_late_frame_at_the_end_is_sent() -> None:
    """A task that stays in `task_error` has no terminal frame."""
    steps = planned("persisted_error=stays, reorder_every=3")

    assert [(step.type, step.sent) for step in steps][-2:] == [("task_error", False), ("task_error", True)]
