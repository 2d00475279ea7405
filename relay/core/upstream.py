"""
Values that describe the platform's side: its tasks, the runs that are sent to it, and the files in its store.

Providers, the journal, the spool and the use cases share them, so that none of the others imports a provider.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """An uploaded file in the spool, until the platform has it. Its name is private, as prompts are."""

    input: str
    """The name of the model's input that the file is for."""
    filename: str = field(repr=False)
    content_type: str
    size_bytes: int
    sha256: str
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedInput:
    """What is sent for a start request: the model's name and input as the provider expects them, defaults filled in."""

    model: str
    input: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A billable request to start a task: model and input as they are sent, by the names of the model's own inputs."""

    model: str
    input: Mapping[str, object] = field(repr=False)
    files: tuple[File, ...] = ()
    callback_url: str | None = field(default=None, repr=False)
    """Its last path segment is a secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamTask:
    """How the platform identifies a task. Either field may be unknown."""

    upstream_id: str | None
    socket_token: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search for a run of unknown outcome found: its task, or the tasks that may be it."""

    certain: UpstreamTask | None = None
    likely: tuple[UpstreamTask, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file in the platform's file store. `url` can be passed to a model as an input."""

    id: str
    name: str
    content_type: str | None
    size: int | None
    url: str | None
    folder: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFolder:
    """A folder in the platform's file store."""

    id: str
    name: str
    parent: str | None
