"""The element in other languages: complete dictionaries, the attribute, the parameter of a frame, and own words."""

from typing import Any

import pytest
from playwright.async_api import Page, expect

from relay.app import Running
from relay.sandbox import Sandbox
from tests.e2e.follow import BLANK, part, release, start_held, token

pytestmark = pytest.mark.asyncio(loop_scope="session")


READ = """async () => {
  const load = (name) => import(`/static/src/${name}.js`);
  const { ENGLISH } = await load("element/words");
  const { RESULT_WORDS } = await load("element/result-words");
  const { BOARD_WORDS } = await load("board/board-words");
  const { FORM_WORDS } = await load("form/form-words");
  const english = { ...ENGLISH, ...RESULT_WORDS, ...BOARD_WORDS, ...FORM_WORDS };
  const values = (phrase) => {
    const forms = typeof phrase === "string" ? [phrase] : Object.values(phrase);
    return forms.map((form) => [...form.matchAll(/\\{\\w+\\}/g)].map(([name]) => name).sort().join());
  };
  const plural = (phrase) => (typeof phrase === "string" ? null : Object.keys(phrase).sort());
  const describe = (words) =>
    Object.fromEntries(
      Object.entries(words).map(([key, phrase]) => [key, [plural(phrase), [...new Set(values(phrase))]]]),
    );
  const needed = (language) => new Intl.PluralRules(language).resolvedOptions().pluralCategories.sort();
  const languages = {};
  for (const name of ["de", "tr"]) {
    languages[name] = { words: describe((await load(`words/${name}`)).WORDS), needed: needed(name) };
  }
  return { english: describe(english), languages };
}"""


async def test_all_dictionaries_have_the_same_keys_and_values(relay: Running, page: Page) -> None:
    """And a form for each plural category of their language."""
    await page.goto(relay.url + BLANK)

    read: dict[str, Any] = await page.evaluate(READ)

    english = read["english"]
    for language, found in read["languages"].items():
        assert found["words"].keys() == english.keys(), language
        for key, (plural, values) in found["words"].items():
            assert values == english[key][1], (language, key)
            assert (plural is None) == (english[key][0] is None), (language, key)
            assert plural is None or plural == found["needed"], (language, key)


async def test_a_frame_and_an_element_speak_the_language_of_the_page(
    sandbox: Sandbox, relay: Running, page: Page
) -> None:
    """The frame by its address; the element by its attribute, which can change, and with words of the page."""
    task = await start_held(relay, sandbox)
    await page.goto(f"{relay.url}/embed/{task.id}?lang=tr#token={token(relay, task)}")
    await expect(part(page, "state")).to_have_text("Üretiliyor")
    assert await page.evaluate("document.documentElement.lang") == "tr"

    await page.evaluate("document.querySelector('relay-task').lang = 'de-AT'")
    await expect(part(page, "state")).to_have_text("Wird erzeugt")
    await expect(part(page, "bar")).to_have_attribute("aria-label", "Fortschritt")
    await page.evaluate("document.querySelector('relay-task').words = { 'state.running': 'Malt' }")
    await expect(part(page, "state")).to_have_text("Malt")
    await page.evaluate("document.querySelector('relay-task').lang = 'en'")
    await expect(part(page, "bar")).to_have_attribute("aria-label", "Progress")
    release(sandbox, task)
    await expect(part(page, "state")).to_have_text("Succeeded")
