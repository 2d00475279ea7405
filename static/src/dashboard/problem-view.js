// @ts-check
/** Shows a refusal in words, each field's complaint by its name. */

import { Problem } from "../client/problem.js";
import { h, textElement } from "../element/dom.js";

/**
 * Show `error` in `place`, or clear it with null. What is no `Problem` is a mistake of ours, and is thrown again.
 *
 * @param {HTMLElement} place
 * @param {unknown} error
 */
export function showProblem(place, error) {
  place.hidden = error === null;
  if (error === null) return place.replaceChildren();
  if (!(error instanceof Problem)) throw error;
  const { title, detail, errors, upstream } = error;
  const parts = [textElement("strong", title)];
  if (detail) parts.push(textElement("p", detail));
  if (upstream?.message)
    parts.push(textElement("p", `The platform said: ${upstream.message}${codeWords(upstream.code)}`));
  if (errors.length)
    parts.push(h("ul", {}, ...errors.map(({ field, message }) => textElement("li", `${field}: ${message}`))));
  place.replaceChildren(...parts);
}

function codeWords(/** @type {number|string|null|undefined} */ code) {
  return code == null ? "" : ` (code ${code})`;
}
