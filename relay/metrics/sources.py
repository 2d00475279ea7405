"""The parts of a relay that the metrics are read from."""

import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from relay import __version__
from relay.archive.archive import Archive
from relay.counting import LabeledCounter
from relay.files.spool import Spool
from relay.hub.hub import Hub
from relay.journal.base import Journal
from relay.metrics.loop_lag import LoopLag
from relay.metrics.sampler import Samples
from relay.metrics.web_counts import WebCounts
from relay.providers.counts import UpstreamCounts
from relay.tasks.supervisor import Supervisor


class Descriptors(Protocol):
    """The limits on file descriptors."""

    @property
    def limit(self) -> int:
        """How many may be open."""


class Connections(Protocol):
    """The connections of clients."""

    @property
    def connections(self) -> int:
        """How many are open."""

    @property
    def refused(self) -> LabeledCounter:
        """How many were closed at once, by reason."""

    @property
    def dismissed(self) -> int:
        """How many idle ones were closed to make room."""

    @property
    def limit(self) -> int:
        """How many may be open."""

    @property
    def configured_limit(self) -> int:
        """How many might be open if there were enough file descriptors."""

    @property
    def open_files(self) -> int:
        """How many file descriptors the process has open."""

    @property
    def descriptors(self) -> Descriptors:
        """The limits on file descriptors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The parts, and what is sampled in the background."""

    hub: Hub
    journal: Journal
    supervisor: Supervisor
    upstream: Mapping[str, UpstreamCounts]
    """By provider."""
    spool: Spool
    archive: Archive | None
    connections: Connections
    folder: Path
    """On the file system of the store."""
    webhook_attempts: LabeledCounter = field(default_factory=LabeledCounter)
    """By outcome."""
    web: WebCounts = field(default_factory=WebCounts)
    loop_lag: LoopLag = field(default_factory=LoopLag)
    samples: Samples = field(default_factory=Samples)
    started_at: float = field(default_factory=time.time)
    """When the process started, in unix seconds."""
    version: str = __version__
    python: str = field(default_factory=platform.python_version)
