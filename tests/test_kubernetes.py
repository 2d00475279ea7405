"""The manifests in deploy/kubernetes start relays whose settings are valid, confined as the documents say."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from relay.config import Config, load

ROOT = Path(__file__).parents[1]
SECRETS = {
    "store": "postgresql://relay@db.example.com/relay",
    "api-keys": "a-key-of-twenty-four-ones",
    "token-secret": "a-token-secret-of-thirty-two-chars",
    "wiro-api-key": "key",
    "wiro-api-secret": "secret",
}


@pytest.fixture(params=["relay.yaml", "relay-nodes.yaml"])
def manifests(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The objects of one file by their kinds."""
    text = (ROOT / "deploy/kubernetes" / request.param).read_text(encoding="utf-8")
    return {each["kind"]: each for each in yaml.safe_load_all(text)}


def pod(manifests: dict[str, Any]) -> dict[str, Any]:
    return dict(manifests["Deployment"]["spec"]["template"]["spec"])


def settings(container: dict[str, Any], folder: Path) -> Config:
    """Return the settings that the container's environment makes, with the secret's files in this folder."""
    for name, value in SECRETS.items():
        (folder / name).write_text(f"{value}\n")
    environ = {
        each["name"]: each.get("value", "node-1").replace("/run/secrets/relay", str(folder))
        for each in container["env"]
    }
    return load(image_settings() | environ, folder / ".env")


def image_settings() -> dict[str, str]:
    """Return the settings that the image makes for every container."""
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    return dict(re.findall(r"^(?:ENV)? +(RELAY_\w+)=(\S+)", dockerfile, re.MULTILINE))


def test_the_settings_are_valid_and_leave_time_to_shut_down(manifests: dict[str, Any], tmp_path: Path) -> None:
    """Every key of the secret in docs/kubernetes.md is used under its name."""
    (container,) = pod(manifests)["containers"]
    config = settings(container, tmp_path)

    assert [key.get_secret_value() for key in config.api_keys] == [SECRETS["api-keys"]]
    assert (config.postgres_dsn is None) == (manifests["Deployment"]["spec"]["replicas"] == 1)
    assert pod(manifests)["terminationGracePeriodSeconds"] > config.shutdown_delay_s + config.drain_s
    named = set(re.findall(r"--from-literal=([a-z-]+)=", (ROOT / "docs/kubernetes.md").read_text(encoding="utf-8")))
    assert named == SECRETS.keys()


def test_the_pod_is_confined_and_probed(manifests: dict[str, Any]) -> None:
    """It runs as the user of the image, can write to its volumes only, and the probes ask the right questions."""
    (container,) = pod(manifests)["containers"]
    user = int(re.findall(r"useradd --uid (\d+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"))[0])

    assert (pod(manifests)["securityContext"]["runAsUser"], pod(manifests)["securityContext"]["fsGroup"]) == (
        user,
        user,
    )
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    volumes = {each["name"] for each in pod(manifests)["volumes"]}
    assert {each["name"] for each in container["volumeMounts"]} == volumes
    assert manifests["Service"]["spec"]["selector"] == manifests["Deployment"]["spec"]["template"]["metadata"]["labels"]
