"""Represent the answer of a language model as Wiro does: lists in gen-1, segments with usage in gen-2."""

from relay.sandbox.wiro.chat import Segment
from relay.sandbox.wiro.record import Identity


def answer_lists(segments: tuple[Segment, ...]) -> dict[str, object]:
    """Return an answer in the form of gen-1: two lists, and the raw text with the thinking in tags."""
    thinking = [part.text for part in segments if part.type == "thinking"]
    answer = [part.text for part in segments if part.type == "answer"]
    tagged = "".join(f"<think>{text}</think>" for text in thinking)
    return {"raw": tagged + "".join(answer), "thinking": thinking, "answer": answer}


def segment_list(segments: tuple[Segment, ...]) -> list[dict[str, str]]:
    """Return an answer in the form of gen-2: one list, in order."""
    return [_segment(part) for part in segments]


def finish_reason(task: Identity) -> str:
    """Return why an answer ended."""
    return "tool_calls" if task.faults.answer_calls else task.faults.finish_reason


def usage(task: Identity, segments: tuple[Segment, ...]) -> dict[str, object]:
    """Return the token counts of gen-2. One word counts as one token."""
    reasoning = sum(len(part.text.split()) for part in segments if part.type == "thinking")
    output = reasoning + sum(len(part.text.split()) for part in segments if part.type == "answer")
    prompt = len(task.prompt.split())
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": prompt + output,
    }


def wrapped(task: Identity, text: str) -> str:
    """Return the text of an answer in `<answer>` tags if the task's switches say so."""
    applies = task.faults.answer_wrapper and task.model.kind == "chat" and text
    return f"<answer>{text}</answer>" if applies else text


def _segment(part: Segment) -> dict[str, str]:
    match part.type:
        case "thinking" | "answer":
            return {"type": part.type, "text": part.text}
        case "function_call":
            content = {"arguments": part.text}
        case "custom_tool_call":
            content = {"input": part.text}
    return {
        "type": part.type,
        "id": part.id,
        "call_id": f"call_{part.id}",
        "name": part.name,
        "status": part.status,
        **content,
    }
