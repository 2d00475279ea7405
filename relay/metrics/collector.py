"""
Reads the metrics out of the parts of a relay when they are scraped.

Until then, the parts count in plain integers, and nothing is computed.
"""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from relay.metrics.families import metric
from relay.metrics.readings import AREAS
from relay.metrics.sources import Sources


class Metrics(Collector):
    """The metrics of one relay, in their own registry."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        # The registry would describe the metrics by reading all of them.
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def expose(self, accept: str) -> tuple[bytes, str]:
        """
        Return all metrics as text, and its content type.

        Args:
            accept: the `Accept` header of the request, which selects OpenMetrics or Prometheus' own format.
        """
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def collect(self) -> Iterator[Metric]:
        """Read everything."""
        for area in AREAS:
            for name, samples in area(self._sources):
                yield metric(name, samples)
