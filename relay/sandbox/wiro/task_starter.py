"""Start tasks: check a Run against the model and the account's limit, then create and start its task."""

import re
import secrets
import string
import time
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import quote

from relay.sandbox.shared import pictures
from relay.sandbox.shared.context import Context
from relay.sandbox.switches.directives import without_directives
from relay.sandbox.switches.faults import Faults
from relay.sandbox.switches.values import Refusal
from relay.sandbox.wiro import bodies
from relay.sandbox.wiro.conversation import conversation_error
from relay.sandbox.wiro.file_store import File
from relay.sandbox.wiro.input_checks import input_error
from relay.sandbox.wiro.models import Model
from relay.sandbox.wiro.plan import plan
from relay.sandbox.wiro.record import Identity, Record
from relay.sandbox.wiro.task_runner import TaskRunner
from relay.sandbox.wiro.tasks import Task, Tasks

_OWN_FIELDS: Final = ("callbackUrl", "projectid")
"""Fields of a Run that are not inputs of the model."""

_LIMIT_REACHED: Final = (
    "You have reached your concurrent task limit. With your current balance of ${balance:.2f}, you can run up to "
    "{limit} tasks at the same time. Add funds to increase your limit."
)
_DOLLARS_PER_TASK: Final = 10
"""The balance that Wiro asks for per concurrent task."""

_TOKEN_CHARS: Final = string.ascii_letters + string.digits


class TaskStarter:
    """
    Creates and starts tasks.

    Args:
        context: the sandbox.
        tasks: where new tasks are added.
        runner: runs them.
        concurrency: how many tasks an account can run at the same time; None is unlimited.
    """

    def __init__(self, context: Context, tasks: Tasks, runner: TaskRunner, *, concurrency: int | None) -> None:
        self._context = context
        self._tasks = tasks
        self._runner = runner
        self._concurrency = concurrency
        # Based on the time, so that a relay that remembers tasks of an earlier sandbox does not find their ids again.
        self._first_id = int(time.time())

    def refusal(self, account: str, model: Model, values: Mapping[str, object]) -> Refusal | None:
        """Return the reason why a Run cannot start a task, or None."""
        if problem := input_error(model, values) or conversation_error(self._tasks, account, model, values):
            return Refusal(code=0, message=problem)
        limit = self._concurrency
        if limit is not None and self._tasks.running(account) >= limit:
            return Refusal(code=96, message=_LIMIT_REACHED.format(balance=_DOLLARS_PER_TASK * limit, limit=limit))
        return None

    def start(self, account: str, model: Model, values: Mapping[str, object], *, host: str, faults: Faults) -> Task:
        """Create a task and start it. `host` is the host part of its files' addresses."""
        identity = self._identity(model, values, host, faults)
        record = Record(status="task_queue", times={"createtime": time.time()})
        task = Task(identity=identity, account=account, steps=plan(identity, self._context.seed), record=record)
        self._tasks.add(task)
        self._runner.start(task)
        return task

    def _identity(self, model: Model, values: Mapping[str, object], host: str, faults: Faults) -> Identity:
        index = len(self._tasks.by_id) + 1
        return Identity(
            id=str(self._first_id + index),
            token=new_token(),
            folder=secrets.token_hex(16),
            index=index,
            model=model,
            parameters={
                name: _parameter(name, value, host) for name, value in values.items() if name not in _OWN_FIELDS
            },
            files=tuple(file.key for value in values.values() for file in _files(value)),
            callback_url=bodies.text(values, "callbackUrl"),
            prompt=without_directives(bodies.text(values, "prompt")),
            images=max(1, int(bodies.text(values, "maxImages") or 1)) if model.kind == "image" else 1,
            size=_size(bodies.text(values, "size")),
            dialect=faults.dialect or self._context.dialect,
            faults=faults,
            cdn_url=f"http://{host}/cdn",
        )


def new_token() -> str:
    """Return a random socket token."""
    return "".join(secrets.choice(_TOKEN_CHARS) for _ in range(30))


def _files(value: object) -> list[File]:
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, File)]


def _parameter(name: str, value: object, host: str) -> object:
    """Return a parameter as Task/Detail shows it: a file as its address, any other value as it is."""
    match value:
        case File():
            suffix = PurePosixPath(value.filename).suffix
            number = int(value.sha256[:6], 16)
            return f"http://{host}/v1/File/{value.key}/{quote(f'{name}-{number}{suffix}', safe='')}"
        case list():
            return [_parameter(name, each, host) for each in value]
        case _:
            return value


def _size(text: str) -> tuple[int, int]:
    """Return the size of the pictures to draw for a size such as 2048x2048."""
    found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    return pictures.scaled(int(found[1]), int(found[2])) if found else pictures.scaled(1, 1)
