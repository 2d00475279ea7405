"""What a subscription is about: one task, the tasks of one tag, or all tasks."""

from typing import Literal

TaskTopic = tuple[Literal["task"], str]
TagTopic = tuple[Literal["tag"], str] | tuple[Literal["all"], None]
"""A set of tasks: those with a tag, or all of them."""

Topic = TaskTopic | TagTopic

ALL: TagTopic = ("all", None)


def topic_field(topic: Topic) -> dict[str, str | bool]:
    """Return the field that names a topic in a message: `{"task": ID}`, `{"tag": TAG}` or `{"all": True}`."""
    kind, name = topic
    return {kind: True if name is None else name}
