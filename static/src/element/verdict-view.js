// @ts-check
/** Shows how a task ended, what to do about it, what it cost, and what speaks for the verdict. */
import { adviceFor } from "./advice.js";
import { h, textElement } from "./dom.js";
import { costWords, duration, STATE_WORDS } from "./format.js";

/** @typedef {import("../client/types.js").Done} Done */

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
  const parts = [textElement("h3", STATE_WORDS[done.verdict])];
  if (done.error) parts.push(textElement("p", faultWords(done.error), "fault"));
  const advice = adviceFor(done);
  if (advice) parts.push(textElement("p", advice, "advice"));
  parts.push(textElement("p", sums(done).join(" · "), "faint sums"));
  for (const warning of done.warnings ?? []) parts.push(textElement("p", warning, "notice"));
  if (done.evidence.length) {
    const items = done.evidence.map((sentence) => textElement("li", sentence));
    const title = textElement("summary", "What this verdict rests on");
    parts.push(h("details", { open: done.verdict !== "succeeded" }, title, h("ul", {}, ...items)));
  }
  return parts;
}

function sums(/** @type {Done} */ done) {
  const words = [costWords(done)];
  if (done.elapsed_s !== null) words.push(`${duration(done.elapsed_s)} at the platform`);
  if (done.exit_code !== null) words.push(`exit code ${done.exit_code}`);
  if (done.inferred) words.push("worked out: the platform did not say so itself");
  return words;
}

function faultWords(/** @type {NonNullable<Done["error"]>} */ { code, message }) {
  return code === null ? message : `${message} (code ${code})`;
}
