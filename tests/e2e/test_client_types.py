"""The public types: relay.d.ts declares what relay.js exports, and narrows as a page's author expects."""

import re
import subprocess
from pathlib import Path

import pytest
from playwright.async_api import Page

from relay.app import Running

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "static"
TSC = ROOT / "node_modules" / ".bin" / "tsc"
"""Installed by .ci/javascript."""

MEMBERS = """async () => {
  const lifecycle = ["constructor", "connectedCallback", "disconnectedCallback", "attributeChangedCallback"];
  const isNative = ({ constructor }) => String(constructor).includes("[native code]");
  const names = (prototype) =>
    isNative(prototype) ? [] : [...Object.getOwnPropertyNames(prototype), ...names(Object.getPrototypeOf(prototype))];
  const members = ({ prototype }) => [...new Set(names(prototype ?? {}))].filter((n) => !lifecycle.includes(n));
  const module = await import("/static/relay.js");
  return Object.fromEntries(Object.entries(module).map(([name, value]) => [name, members(value).sort()]));
}"""


def declared() -> dict[str, list[str]]:
    """Return the exported names with the members of each class."""
    text = (STATIC / "relay.d.ts").read_text(encoding="utf-8")
    classes = re.findall(r"^export class (\w+) .*?\{\n(.*?)^\}", text, re.DOTALL | re.MULTILINE)
    functions = re.findall(r"^export function (\w+)", text, re.MULTILINE)
    found = {
        name: sorted(set(re.findall(r"^  (?:get )?(\w+)[(:]", body, re.MULTILINE)) - {"constructor"})
        for name, body in classes
    }
    return found | {name: [] for name in functions}


@pytest.mark.asyncio(loop_scope="session")
async def test_the_declarations_match_the_exports(relay: Running, page: Page) -> None:
    """Names, and the methods and properties of each class."""
    await page.goto(f"{relay.url}/livez")

    exported = await page.evaluate(MEMBERS)

    assert exported == declared()
    assert len(exported) >= 4


def test_a_page_in_typescript_narrows_messages(tmp_path: Path) -> None:
    """`type` narrows `data`, and misuse is an error. Only relay.d.ts is needed, without any module of src/."""
    for source in (STATIC / "relay.d.ts", ROOT / "tests" / "types" / "consumer.ts"):
        (tmp_path / source.name).write_bytes(source.read_bytes())

    options = ("--strict", "--noEmit", "--module", "esnext", "--moduleResolution", "bundler", "--lib", "es2022,dom")
    checked = subprocess.run(
        (TSC, *options, "--ignoreConfig", "--target", "es2022", "--types", "", "consumer.ts"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (checked.stdout, checked.returncode) == ("", 0)
