// @ts-check
/**
 * How tasks are found by words: by how the words of their id, model and tags begin. Pure.
 *
 * The relay searches its list by the same rule (relay/journal/search_words.py). A word begins behind white space or
 * punctuation, and a search may go on behind the word: `long-vid` and `vid` both find `long-video`.
 */

/** White space, punctuation and what is invisible. */
const SEPARATOR = /[\p{P}\p{Z}\p{C}$+<=>^`|~]/u;

/**
 * Whether each word of a search begins the id, or a word of one of the names.
 *
 * @param {string} search
 * @param {string} id
 * @param {readonly string[]} names
 */
export function isFound(search, id, names) {
  const words = folded(search).split(/\s+/).map(withoutLead).filter(Boolean);
  if (!words.length) return true;
  const starts = [id, ...names.flatMap(wordStarts)];
  return words.every((word) => starts.some((start) => start.startsWith(word)));
}

/** The name from each of its words on to its end. */
function wordStarts(/** @type {string} */ name) {
  /** @type {string[]} */
  const starts = [];
  const text = folded(name);
  let at = 0;
  let wasSeparator = true;
  for (const character of text) {
    const separates = SEPARATOR.test(character);
    if (wasSeparator && !separates) starts.push(text.slice(at));
    wasSeparator = separates;
    at += character.length;
  }
  return starts;
}

function withoutLead(/** @type {string} */ word) {
  const characters = [...word];
  const first = characters.findIndex((character) => !SEPARATOR.test(character));
  return first < 0 ? "" : characters.slice(first).join("");
}

/** As it is compared: case and compatible spellings of one character do not count. */
function folded(/** @type {string} */ text) {
  return text.normalize("NFKC").toUpperCase().toLowerCase().normalize("NFKC");
}
