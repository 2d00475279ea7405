"""The histograms of many tallies, added up."""

from collections.abc import Iterable, Mapping

from relay.core.history.distribution import Distribution


class Histograms:
    """The histograms of some tallies, by measure."""

    def __init__(self, counts: Iterable[Mapping[str, float]] = ()) -> None:
        self._weights: dict[str, dict[float, float]] = {}
        self._samples: dict[str, float] = {}
        self._made: dict[str, Distribution | None] = {}
        for each in counts:
            self.add(each)

    def add(self, counts: Mapping[str, float], weight: float = 1.0) -> None:
        """Add the counters of a tally, each sample with a weight."""
        for key, count in counts.items():
            measure, _, bucket = key.partition(":")
            if bucket.lstrip("-").isdecimal():  # it is a histogram
                weights = self._weights.setdefault(measure, {})
                place = float(bucket)
                weights[place] = weights.get(place, 0.0) + weight * count
                self._samples[measure] = self._samples.get(measure, 0.0) + count
                self._made.pop(measure, None)

    def get(self, measure: str) -> Distribution | None:
        """Return the histogram of a measure; null without a sample."""
        if measure not in self._made:
            weights = self._weights.get(measure)
            self._made[measure] = None if weights is None else Distribution.of(weights, self._samples[measure])
        return self._made[measure]
