// @ts-check
/** Loads the texts of other languages when a page asks for them. All elements of a page have the same language. */
import { currentLanguage, setWords } from "./words.js";

/** @type {Partial<Record<string, () => Promise<{WORDS: import("./words.js").Words}>>>} */
const DICTIONARIES = {
  de: () => import("../words/de.js"),
  tr: () => import("../words/tr.js"),
};

/**
 * Use a language from now on. English is used for those that have no dictionary.
 *
 * @param {string} tag of BCP 47, such as `de` or `de-AT`
 * @returns {Promise<boolean>} whether the texts have changed
 */
export async function useLanguage(tag) {
  const name = tag.toLowerCase().split("-")[0];
  const load = DICTIONARIES[name];
  const words = load ? (await load()).WORDS : {};
  const isOther = currentLanguage() !== (load ? name : "en");
  if (isOther) setWords(words, load ? name : "en");
  return isOther;
}
