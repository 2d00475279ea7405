// @ts-check
/**
 * Matches tasks with search words: each must be a prefix of the id, or of a word of the model, a tag or the title. Pure.
 *
 * The relay searches its list by the same rule. A word starts after white space or punctuation, and a search word may
 * continue past its end: `long-vid` and `vid` both match `long-video`.
 */

/** White space, punctuation and invisible characters. */
const SEPARATOR = /[\p{P}\p{Z}\p{C}$+<=>^`|~]/u;

/**
 * Return whether every search word matches.
 *
 * @param {string} search
 * @param {string} id
 * @param {readonly string[]} names
 */
export function matchesSearch(search, id, names) {
  const words = normalize(search).split(/\s+/).map(trimStart).filter(Boolean);
  if (!words.length) return true;
  const candidates = [id, ...names.flatMap(suffixes)];
  return words.every((word) => candidates.some((candidate) => candidate.startsWith(word)));
}

/** Return the rest of a name from the start of each of its words. */
function suffixes(/** @type {string} */ name) {
  /** @type {string[]} */
  const found = [];
  const text = normalize(name);
  let at = 0;
  let wasSeparator = true;
  for (const character of text) {
    const isSeparator = SEPARATOR.test(character);
    if (wasSeparator && !isSeparator) found.push(text.slice(at));
    wasSeparator = isSeparator;
    at += character.length;
  }
  return found;
}

/** Remove separators from the start of a search word. */
function trimStart(/** @type {string} */ word) {
  const characters = [...word];
  const first = characters.findIndex((character) => !SEPARATOR.test(character));
  return first < 0 ? "" : characters.slice(first).join("");
}

/** Ignore case and compatible spellings of a character. */
function normalize(/** @type {string} */ text) {
  return text.normalize("NFKC").toUpperCase().toLowerCase().normalize("NFKC");
}
