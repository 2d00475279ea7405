// @ts-check
/** Shows an error, with the name of each rejected field, and what to do about an error of the platform. */
import { Problem } from "../client/problem.js";
import "../element/result-words.js";
import { adviceForError } from "../element/advice.js";
import { h, textElement } from "../element/dom.js";

/**
 * Show a `Problem`, or clear the container with null. Anything else is a bug, and is thrown again.
 *
 * @param {HTMLElement} container
 * @param {unknown} error
 */
export function showProblem(container, error) {
  container.hidden = error === null;
  if (error === null) return container.replaceChildren();
  if (!(error instanceof Problem)) throw error;
  const { title, detail, errors, upstream } = error;
  const parts = [textElement("strong", title)];
  if (detail) parts.push(textElement("p", detail));
  if (upstream?.message) {
    const code = upstream.code == null ? "" : ` (code ${upstream.code})`;
    parts.push(textElement("p", `The platform said: ${upstream.message}${code}`));
    parts.push(textElement("p", adviceForError(String(upstream.code ?? ""), upstream.message, false)));
  }
  if (errors.length) {
    parts.push(h("ul", {}, ...errors.map(({ field, message }) => textElement("li", `${field}: ${message}`))));
  }
  container.replaceChildren(...parts);
}
