"""What relay.js exports and what relay.d.ts declares: a page that trusts the types finds nothing else at run time."""

import re
from pathlib import Path

import pytest
from playwright.async_api import Page

from relay.app import Running

pytestmark = pytest.mark.asyncio(loop_scope="session")

DECLARED = (Path(__file__).parents[2] / "static" / "relay.d.ts").read_text(encoding="utf-8")

MEMBERS = """async () => {
  const lifecycle = ["constructor", "connectedCallback", "disconnectedCallback", "attributeChangedCallback"];
  const members = ({ prototype }) => Object.getOwnPropertyNames(prototype ?? {}).filter((n) => !lifecycle.includes(n));
  const module = await import("/static/relay.js");
  return Object.fromEntries(Object.entries(module).map(([name, value]) => [name, members(value).sort()]));
}"""

INHERITED = {"addEventListener", "removeEventListener", "constructor"}
"""Declared once more only for the types of their events."""


def declared() -> dict[str, list[str]]:
    """Return the names that the types promise, each with its members."""
    classes = re.findall(r"^export class (\w+) .*?\{\n(.*?)^\}", DECLARED, re.DOTALL | re.MULTILINE)
    functions = re.findall(r"^export function (\w+)", DECLARED, re.MULTILINE)
    found = {
        name: sorted(set(re.findall(r"^  (?:get )?(\w+)[(:]", body, re.MULTILINE)) - INHERITED)
        for name, body in classes
    }
    return found | {name: [] for name in functions}


async def test_the_types_declare_just_what_the_module_exports(relay: Running, page: Page) -> None:
    """Names, and the methods and properties of each class."""
    await page.goto(relay.url)

    exported = await page.evaluate(MEMBERS)

    assert exported == declared()
    assert len(exported) >= 4
