"""
Reads the metrics out of the parts of a relay when they are scraped.

Until then, the parts count in plain integers, and nothing is computed.
"""

from contextlib import AsyncExitStack
from functools import partial
from itertools import chain
from typing import Self

from relay.metrics.exposition import content_type, encode
from relay.metrics.readings import AREAS, recent_counters
from relay.metrics.recent import RecentEvents
from relay.metrics.sampler import Sampler
from relay.metrics.sources import Sources


class Metrics:
    """The metrics of one relay. Use it as an async context manager: meanwhile, some of them are read now and then."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._recent = RecentEvents(partial(recent_counters, sources))
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        of = self._sources
        await self._stack.enter_async_context(of.loop_lag)
        await self._stack.enter_async_context(self._recent)
        sampler = Sampler(of.samples, of.journal, of.folder, keeps_results=of.archive is not None)
        await self._stack.enter_async_context(sampler)
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        await self._stack.aclose()

    def expose(self, accept: str = "") -> tuple[bytes, str]:
        """
        Return all metrics as text, and its content type.

        Args:
            accept: the `Accept` header of the request, which selects OpenMetrics or Prometheus' own format.
        """
        kind = content_type(accept)
        recent = "relay_recent_events", [((event,), count) for event, count in self._recent.counts.items()]
        readings = chain.from_iterable(area(self._sources) for area in AREAS)
        return encode(chain(readings, [recent]), kind), kind
