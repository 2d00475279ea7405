// @ts-check
/** Shows how a task ended, and what speaks for it. */
import { h, textElement } from "./dom.js";
import { costWords, duration, STATE_WORDS } from "./format.js";

/** @typedef {import("./types.js").Done} Done */

export class VerdictView {
  #place;
  /** @type {Done|null} */
  #shown = null;

  constructor(/** @type {HTMLElement} */ place) {
    this.#place = place;
  }

  render(/** @type {Done|null} */ done) {
    if (done === this.#shown) return;
    this.#shown = done;
    this.#place.hidden = done === null;
    this.#place.replaceChildren(...(done ? contents(done) : []));
  }
}

function contents(/** @type {Done} */ done) {
  /** @type {HTMLElement[]} */
  const parts = [heading(done)];
  if (done.error) parts.push(textElement("p", faultWords(done.error), "fault"));
  const facts = [costWords(done)];
  if (done.elapsed_s !== null) facts.push(`${duration(done.elapsed_s)} at the platform`);
  if (done.exit_code !== null) facts.push(`exit code ${done.exit_code}`);
  parts.push(textElement("p", facts.join(" · "), "facts"));
  for (const warning of done.warnings ?? []) parts.push(textElement("p", warning, "notice"));
  if (done.evidence.length) {
    const items = done.evidence.map((sentence) => textElement("li", sentence));
    const open = done.verdict !== "succeeded";
    parts.push(h("details", { open }, textElement("summary", "What this verdict rests on"), h("ul", {}, ...items)));
  }
  return parts;
}

function heading(/** @type {Done} */ { verdict, inferred }) {
  const title = textElement("h3", STATE_WORDS[verdict]);
  if (inferred) title.append(" ", textElement("small", "worked out: the platform did not say so itself", "faint"));
  return title;
}

function faultWords(/** @type {NonNullable<Done["error"]>} */ { code, message }) {
  return code === null ? message : `${message} (code ${code})`;
}
