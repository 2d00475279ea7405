"""The dashboard, the alert rules and the reference name the metrics that exist, and no others."""

import json
import re
from pathlib import Path

import pytest

from relay.metrics.diagnosis import SIGNS as EXPLAINED
from relay.metrics.families import FAMILIES, Family
from relay.metrics.web_counts import SIGNS

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "deploy/grafana/relay.json").read_text(encoding="utf-8"))
RULES = (ROOT / "deploy/prometheus/relay.rules.yml").read_text(encoding="utf-8")
REFERENCE = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
DIAGNOSING = (ROOT / "docs/diagnosing.md").read_text(encoding="utf-8")


def queries() -> list[str]:
    """Return the queries of the dashboard."""
    panels = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]
    annotations = [each["expr"] for each in DASHBOARD["annotations"]["list"]]
    variables = [each["query"]["query"] for each in DASHBOARD["templating"]["list"] if each["type"] == "query"]
    return [*panels, *annotations, *variables]


def families_in(text: str) -> set[str]:
    """Return the names of metrics in a text, without the suffixes of a histogram's series."""
    found = re.findall(r"\brelay_\w+", text)
    return {re.sub(r"_(bucket|count|sum)$", "", name) for name in found}


USED = families_in(" ".join(queries())) | families_in(RULES)


@pytest.mark.parametrize("query", queries())
def test_the_dashboard_uses_metrics_and_labels_that_exist(query: str) -> None:
    """A typing error would show an empty panel."""
    assert families_in(query) <= FAMILIES.keys()
    labels = {label for name in families_in(query) for label in FAMILIES[name].labels}
    grouped = re.findall(r"\bby \(([^)]*)\)", query)
    assert {label.strip() for group in grouped for label in group.split(",")} <= labels | {"le", "job", "instance"}


def test_the_dashboard_shows_every_metric() -> None:
    """Except the one that is there for `relay check --diagnose`."""
    assert families_in(" ".join(queries())) == FAMILIES.keys() - {"relay_proxy_sign_timestamp_seconds"}


def test_the_rules_use_metrics_that_exist() -> None:
    """What the rules need, the relay has."""
    assert families_in(RULES)
    assert families_in(RULES) <= FAMILIES.keys()


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)
def test_every_metric_has_a_line_in_the_reference(family: Family) -> None:
    """With its type and its labels."""
    labels = ", ".join(f"`{label}`" for label in family.labels)
    assert f"| `{family.name}` | {family.kind} | {labels}{' ' if labels else ''}| " in REFERENCE


def test_the_reference_names_no_other_metric() -> None:
    """A metric that is removed is removed there, too."""
    named = set(re.findall(r"^\| `(relay_\w+)` ", REFERENCE, re.MULTILINE))
    assert named == FAMILIES.keys()


def test_every_alert_and_panel_that_the_guide_names_exists() -> None:
    """And each alert that leads to a section leads to one that exists."""
    alerts = set(re.findall(r"alert: (\w+)", RULES))
    assert set(re.findall(r"`(Relay\w+)`", DIAGNOSING)) <= alerts
    panels = {panel["title"] for panel in DASHBOARD["panels"]}
    table = DIAGNOSING.partition("| symptom |")[2].partition("\n\n")[0]
    assert set(re.findall(r"\*([^*]+)\*", table)) <= panels
    headings = {line[3:].lower().replace(" ", "-") for line in DIAGNOSING.splitlines() if line.startswith("## ")}
    assert set(re.findall(r"docs/diagnosing\.md#([\w-]+)", RULES)) <= headings


def test_every_sign_of_a_wrong_proxy_is_explained() -> None:
    """By the command, in the reference and in the guide."""
    assert set(EXPLAINED) == set(SIGNS)
    for sign in SIGNS:
        assert f"| `{sign}` | " in REFERENCE
        assert f"| `{sign}` | " in DIAGNOSING
