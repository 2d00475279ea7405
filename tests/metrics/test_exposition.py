"""The text is what prometheus_client's own parsers read, in both formats."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families as parse_prometheus

from relay.counting import Histogram
from relay.metrics.exposition import OPENMETRICS, PROMETHEUS, content_type, encode
from relay.metrics.families import FAMILIES


def parse_openmetrics(text: str) -> Iterator[Metric]:
    """Parse OpenMetrics. The library's function has no types."""
    parse: Callable[[str], Iterator[Metric]] = openmetrics_parser.text_string_to_metric_families
    return parse(text)


@given(st.text(), st.floats(0, 1e12))
def test_any_label_and_value_survives(text: str, value: float) -> None:
    """Quotes, backslashes and line ends are escaped."""
    for kind, parse in ((PROMETHEUS, parse_prometheus), (OPENMETRICS, parse_openmetrics)):
        encoded = encode([("relay_followed_tasks", [((text,), value)])], kind).decode(errors="replace")
        if "\ufffd" in encoded:  # a lone surrogate
            return
        (family,) = parse(encoded)
        (sample,) = family.samples
        assert (sample.labels, sample.value) == ({"state": text}, value)


def test_a_histogram_is_cumulative() -> None:
    """Its last bucket has all values."""
    histogram = Histogram((0.5, 2.0))
    for value in (0.25, 1.0, 1.5, 9.0):
        histogram.observe(value)
    for kind, parse in ((PROMETHEUS, parse_prometheus), (OPENMETRICS, parse_openmetrics)):
        (family,) = parse(encode([("relay_request_seconds", [((), histogram)])], kind).decode())
        assert family.type == "histogram"
        found = {sample.name.removeprefix("relay_request_seconds"): sample.value for sample in family.samples[-2:]}
        assert found == {"_count": 4, "_sum": 11.75}
        assert [(sample.labels["le"], sample.value) for sample in family.samples[:3]] == [
            ("0.5", 1),
            ("2.0", 3),
            ("+Inf", 4),
        ]


@pytest.mark.parametrize("name", FAMILIES)
def test_each_family_has_its_type_and_help(name: str) -> None:
    """Also without samples. Prometheus' own format has no infos, which are gauges there."""
    family = FAMILIES[name]
    (openmetrics,) = parse_openmetrics(encode([(name, [])], OPENMETRICS).decode())
    (prometheus,) = parse_prometheus(encode([(name, [])], PROMETHEUS).decode())
    assert (openmetrics.type, openmetrics.documentation) == (family.kind, family.help)
    assert prometheus.type == ("gauge" if family.kind == "info" else family.kind)
    assert openmetrics.name == name.removesuffix("_total").removesuffix("_info")


def test_a_scraper_gets_openmetrics_if_it_asks_for_it() -> None:
    """As Prometheus does, which accepts both."""
    prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
    assert content_type(prometheus) == OPENMETRICS
    assert content_type("*/*") == content_type("") == content_type("text/plain") == PROMETHEUS
