"""Settings of tasks: how long the relay waits for a platform, and how many tasks may queue."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from relay.config.base import Group, none_if_empty
from relay.config.units import Seconds


class Tasks(Group):
    """Tasks."""

    task_deadline_s: Seconds = Field(
        86_400.0,
        alias="RELAY_TASK_DEADLINE",
        gt=0,
        description="Time after which a task that has not ended becomes `lost`. The relay first reads the platform's "
        "record again, and gives up only if the record shows no end either.",
    )
    silence_s: Seconds = Field(
        60.0,
        alias="RELAY_SILENCE",
        gt=0,
        description="Time without an update from the platform after which a running task is stalled, once the relay "
        "has read the platform's record. A preparing or finishing task is stalled after three times as long, and a "
        "task of a model that is usually silent for longer after up to ten times as long.",
    )
    cell: Annotated[str | None, BeforeValidator(none_if_empty)] = Field(
        None,
        alias="RELAY_CELL",
        pattern=r"^[a-z0-9]{1,16}$",
        description="Prefix of the ids of new tasks, for a proxy that routes by it: with `eu1`, ids look like `eu1-…`. "
        "At most 16 lowercase letters and digits.",
    )
    hold_limit: int = Field(
        100,
        alias="RELAY_HOLD_LIMIT",
        ge=1,
        description="Maximum number of tasks that may queue while the platform is at capacity. Further starts are "
        "rejected.",
    )
    hold_s: Seconds = Field(
        3600.0,
        alias="RELAY_HOLD_TIME",
        gt=0,
        description="Maximum time that a task may queue while the platform is at capacity.",
    )
