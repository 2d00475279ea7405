"""Files of a start: for each input of the model, paths or contents."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from os import PathLike
from pathlib import Path
from typing import IO, TypeAlias

InputFile: TypeAlias = str | PathLike[str] | tuple[str, bytes]
"""A path, or a name with the content."""

InputFiles: TypeAlias = Mapping[str, InputFile | list[InputFile]]

Part = tuple[str, tuple[str | None, bytes | IO[bytes], str]]
"""The name of a multipart part, and its filename, content and content type."""


@contextmanager
def parts(task: bytes, files: InputFiles) -> Iterator[Sequence[Part]]:
    """
    Open the files and yield the parts of a multipart body: `task` first, then the files in their order.

    Raises:
        OSError: a file cannot be opened.
    """
    with ExitStack() as stack:
        found: list[Part] = [("task", (None, task, "application/json"))]
        for name, given in files.items():
            for file in given if isinstance(given, list) else [given]:
                filename, content = file if isinstance(file, tuple) else _opened(Path(file), stack)
                # The relay determines the type from the content.
                found.append((name, (filename, content, "application/octet-stream")))
        yield found


def _opened(path: Path, stack: ExitStack) -> tuple[str, IO[bytes]]:
    return path.name, stack.enter_context(path.open("rb"))
