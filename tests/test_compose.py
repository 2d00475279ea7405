"""compose.yaml starts nodes whose settings are valid, against the sandbox that it starts."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from relay.config import load
from relay.sandbox.wiro.auth import API_KEY, API_SECRET
from tests.test_kubernetes import image_settings

COMPOSE = Path(__file__).parent.parent / "compose.yaml"
NODES = ("node-1", "node-2")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services, with every `${NAME:-default}` replaced by its default."""
    text = COMPOSE.read_text()
    while "${" in text:
        before, _, after = text.partition("${")
        name_and_default, _, rest = after.partition("}")
        text = before + name_and_default.partition(":-")[2] + rest
    services: dict[str, Any] = yaml.safe_load(text)["services"]
    return services


def test_every_node_has_valid_settings_and_a_name_of_its_own(services: dict[str, Any], tmp_path: Path) -> None:
    """The container image listens on all addresses, so the keys are checked, too."""
    configs = {node: load(image_settings() | services[node]["environment"], tmp_path / ".env") for node in NODES}

    assert {config.node_name for config in configs.values()} == set(NODES)
    assert len({config.store for config in configs.values()}) == 1
    assert len({config.spool_path for config in configs.values()}) == 1


def test_the_nodes_use_the_keys_of_the_sandbox(services: dict[str, Any]) -> None:
    """And the password of the database."""
    for node in NODES:
        settings = services[node]["environment"]
        assert (settings["WIRO_API_KEY"], settings["WIRO_API_SECRET"]) == (API_KEY, API_SECRET)
        assert settings["PGPASSWORD"] == services["postgres"]["environment"]["POSTGRES_PASSWORD"]


def test_every_volume_of_a_node_belongs_to_the_user_of_the_image(services: dict[str, Any]) -> None:
    """Docker gives a volume to root if the image has no such directory, and the relay could not write to it."""
    image = (COMPOSE.parent / "Dockerfile").read_text()
    made = re.findall(r"install -d -o relay -g relay -m 0700 (.*)", image)[0].split()

    assert {volume.partition(":")[2] for node in NODES for volume in services[node]["volumes"]} <= set(made)


def test_nginx_knows_every_node() -> None:
    """A `$` is doubled, because Compose would replace it."""
    nginx = yaml.safe_load(COMPOSE.read_text())["configs"]["nginx"]["content"]
    assert [line.split()[1] for line in nginx.splitlines() if "server node" in line] == [
        f"{node}:8080" for node in NODES
    ]
    assert "$" not in nginx.replace("$$", "")
