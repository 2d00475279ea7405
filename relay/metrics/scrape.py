"""The metrics of a relay at one moment, as read from `GET /metrics`."""

from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True, slots=True)
class Sample:
    """One value."""

    labels: dict[str, str]
    value: float


class Scrape:
    """The samples by name."""

    def __init__(self, text: str) -> None:
        """
        Args:
            text: in Prometheus' text format.

        Raises:
            ValueError: it is not in that format.
        """
        self._samples: dict[str, list[Sample]] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                self._samples.setdefault(sample.name, []).append(Sample(sample.labels, sample.value))

    def __getitem__(self, name: str) -> list[Sample]:
        """Return the samples of a metric; none if there is no such metric, for example in an older version."""
        return self._samples.get(name, [])

    def total(self, name: str) -> float:
        """Return the sum of the samples of a metric."""
        return sum(sample.value for sample in self[name])

    def by(self, name: str, label: str) -> dict[str, float]:
        """Return the samples of a metric by the value of a label."""
        return {sample.labels[label]: sample.value for sample in self[name]}
