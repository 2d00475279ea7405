"""Generate the answers of the sandbox's language model: seeded, and streamed a few words at a time."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """
    A part of an answer: thinking, the answer itself, or a tool call.

    The `text` of a tool call is its arguments or its input. Only tool calls have `name`, `id` and `status`.
    """

    type: Literal["thinking", "answer", "function_call", "custom_tool_call"]
    text: str
    name: str = ""
    id: str = ""
    status: str = ""


CHUNK_CHARS = 6
"""How many characters each state of a long answer adds."""

_THOUGHTS = (
    "The question is about {topic}. I should say what matters first, and keep it short.",
    "Let me break this into parts: what {topic} means, why it is asked, and what would help.",
    "First the plain meaning of {topic}, then an example, then what to be careful about.",
)
_OPENINGS = (
    "Here is a short answer about {topic}.",
    "Let us look at {topic} from two sides.",
    "{topic} is easier to grasp with a picture in mind. 🎨",
)
_BODIES = (
    (
        "Think of a river seen from a bridge: the water never stops, yet the shape stays the same. What we call the "
        "result is only the shape, and the work is all in the water."
    ),
    (
        "A good first step is small enough to be finished today and plain enough to be judged tomorrow. Most of the "
        "rest follows from looking closely at what that step shows."
    ),
    (
        "Three things usually decide it: how much light there is, how much time is left, and who will look at it in "
        "the end. Change one of them and the other two have to move."
    ),
    (
        "Naïve approaches do surprisingly well here — 日本語 and accents included — as long as nothing is thrown away "
        "too early."
    ),
)
_CLOSINGS = (
    "In short: begin with the simplest version, and let what you see tell you what comes next.",
    "To sum up: keep what works, name what does not, and try once more.",
)


def stream(random: Random, prompt: str) -> Iterator[tuple[Segment, ...]]:
    """Yield the states of an answer to the prompt. Each state adds a few words to the one before it."""
    topic = _topic(prompt)
    thought = Segment(type="thinking", text=random.choice(_THOUGHTS).format(topic=topic))
    middle = "\n\n".join(random.sample(_BODIES, 2))
    opening, closing = random.choice(_OPENINGS).format(topic=topic), random.choice(_CLOSINGS)
    parts = (thought, Segment(type="answer", text=f"{opening}\n\n{middle}\n\n{closing}"))
    for position, part in enumerate(parts):
        words = part.text.split(" ")
        at = 0
        while at < len(words):
            at += random.randint(1, 4)
            yield (*parts[:position], Segment(type=part.type, text=" ".join(words[:at])))


def long_stream(random: Random, prompt: str, count: int) -> Iterator[tuple[Segment, ...]]:
    """Yield the states of an answer of `count` chunks of six characters, including the thinking."""
    thought = random.choice(_THOUGHTS).format(topic=_topic(prompt))
    chars = count * CHUNK_CHARS
    paragraphs = "\n\n".join(random.sample(_BODIES, len(_BODIES))) + " 🎨\n\n"
    answer = (paragraphs * (chars // len(paragraphs) + 1))[: max(0, chars - len(thought))]
    for end in range(CHUNK_CHARS, chars + 1, CHUNK_CHARS):
        thinking = Segment(type="thinking", text=thought[:end])
        if end <= len(thought):
            yield (thinking,)
        else:
            yield (thinking, Segment(type="answer", text=answer[: end - len(thought)]))


def tool_calls(segments: tuple[Segment, ...], types: tuple[str, ...]) -> Iterator[tuple[Segment, ...]]:
    """Yield the states in which the model calls tools after its answer: each call in progress, then completed."""
    for number, type_ in enumerate(types, start=1):
        whole = (
            Segment(type="function_call", name="get_weather", text='{"city":"Paris"}', id=f"fc_{number:02d}")
            if type_ == "function_call"
            else Segment(type="custom_tool_call", name="run_query", text="select 1", id=f"ctc_{number:02d}")
        )
        half = whole.text[: len(whole.text) // 2]
        yield (*segments, replace(whole, text=half, status="in_progress"))
        segments = (*segments, replace(whole, status="completed"))
        yield segments


def with_slip(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """Return a state with words at its end that the next state does not contain."""
    return (*segments[:-1], Segment(type=segments[-1].type, text=f"{segments[-1].text} 🙈, or rather:"))


def _topic(prompt: str) -> str:
    return " ".join(prompt.split()[:6]).strip("[].,:;?!") or "this"
