// @ts-check
/** Shows how a task ended, what to do about it, what it cost, and the evidence for the verdict. */
import { adviceFor } from "./advice.js";
import { h, textElement } from "./dom.js";
import { costText, duration, STATE_LABELS } from "./format.js";
import { say } from "./words.js";

/** @import { Done } from "../../relay.js" */

export class VerdictView {
  #container;
  /** @type {Done|null} */
  #shown = null;

  constructor(/** @type {HTMLElement} */ container) {
    this.#container = container;
  }

  render(/** @type {Done|null} */ done) {
    if (done === this.#shown) return;
    this.#shown = done;
    this.#container.hidden = done === null;
    this.#container.replaceChildren(...(done ? contents(done) : []));
  }
}

function contents(/** @type {Done} */ done) {
  /** @type {HTMLElement[]} */
  const parts = [textElement("h3", STATE_LABELS[done.verdict])];
  if (done.error) parts.push(textElement("p", errorText(done.error), "fault"));
  const advice = adviceFor(done);
  if (advice) parts.push(textElement("p", advice, "advice"));
  parts.push(textElement("p", figures(done).join(" · "), "faint sums"));
  for (const warning of done.warnings ?? []) parts.push(textElement("p", warning, "notice"));
  if (done.evidence.length) {
    const items = done.evidence.map((sentence) => textElement("li", sentence));
    const title = textElement("summary", say("verdict.evidence"));
    parts.push(h("details", { open: done.verdict !== "succeeded" }, title, h("ul", {}, ...items)));
  }
  return parts;
}

function figures(/** @type {Done} */ done) {
  const found = [costText(done)];
  if (done.elapsed_s !== null) found.push(say("verdict.platform_time", { time: duration(done.elapsed_s) }));
  if (done.exit_code !== null) found.push(say("verdict.exit_code", { code: done.exit_code }));
  if (done.inferred) found.push(say("verdict.inferred"));
  return found;
}

function errorText(/** @type {NonNullable<Done["error"]>} */ { code, message }) {
  return code === null ? message : say("verdict.code", { message, code });
}
