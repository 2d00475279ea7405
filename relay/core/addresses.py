"""The address of each result at the relay: the same from the moment that the result is known."""

import re
from dataclasses import replace
from urllib.parse import quote

from relay.core.events import Output

_NAME_CHARS = 80
"""How much of a name is in an address. It only makes the address readable."""


def with_hrefs(task: str, outputs: tuple[Output, ...]) -> tuple[Output, ...]:
    """Return the results of a task, those that are files with their addresses."""
    return tuple(
        replace(output, href=href(task, number, output.name)) if _is_fetched(output.url) else output
        for number, output in enumerate(outputs)
    )


def href(task: str, number: int, name: str | None) -> str:
    """
    Return the path of a result under the relay's address.

    Args:
        task: the id of the task.
        number: the position among the results of the task, from 0. It alone identifies the result.
        name: the name of the file, if it has one.
    """
    readable = re.sub(r"[^\w.-]+", "-", name or "").strip("-.")[-_NAME_CHARS:].strip("-.")
    return f"/v1/tasks/{task}/outputs/{number}/{quote(readable or 'file', safe='')}"


def _is_fetched(url: str | None) -> bool:
    return url is not None and url.lower().startswith(("https://", "http://"))
