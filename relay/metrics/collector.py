"""
Reads the metrics out of the parts of a relay when they are scraped.

Until then, the parts count in plain integers, and nothing is computed.
"""

from relay.metrics.exposition import content_type, encode
from relay.metrics.readings import AREAS
from relay.metrics.sources import Sources


class Metrics:
    """The metrics of one relay."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def expose(self, accept: str = "") -> tuple[bytes, str]:
        """
        Return all metrics as text, and its content type.

        Args:
            accept: the `Accept` header of the request, which selects OpenMetrics or Prometheus' own format.
        """
        kind = content_type(accept)
        return encode((reading for area in AREAS for reading in area(self._sources)), kind), kind
