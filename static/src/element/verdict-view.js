// @ts-check
/** Shows how a task ended in a line, or, if it did not succeed, why and what to do about it. */
import { adviceFor } from "./advice.js";
import { h, textElement } from "./dom.js";
import { failureOf } from "./failure.js";
import { costText, duration } from "./format.js";
import { resultsText } from "./results-text.js";
import { say } from "./words.js";

/** @import { Done, Snapshot } from "../../relay.js" */

export class VerdictView {
  #container;
  /** @type {Done|null} */
  #shown = null;

  constructor(/** @type {HTMLElement} */ container) {
    this.#container = container;
  }

  render(/** @type {Snapshot} */ { done, outputs }) {
    if (done === this.#shown) return;
    this.#shown = done;
    this.#container.hidden = done === null;
    if (!done) return;
    const evidence = evidenceOf(done);
    this.#container.replaceChildren(
      ...(done.verdict === "succeeded" ? success(resultsText(outputs)) : failure(done)),
      ...(done.warnings ?? []).map((warning) => textElement("p", warning, "notice")),
      ...(evidence.length ? [fold(say("verdict.evidence"), list(evidence))] : []),
    );
  }
}

function success(/** @type {string} */ results) {
  return [textElement("h3", say("state.succeeded")), textElement("p", results, "faint")];
}

function failure(/** @type {Done} */ done) {
  const { title, cause, rest } = failureOf(done);
  /** @type {HTMLElement[]} */
  const parts = [textElement("h3", title)];
  if (cause) parts.push(textElement("p", cause, "fault"));
  const advice = adviceFor(done);
  if (advice) parts.push(textElement("p", advice, "advice"));
  parts.push(textElement("p", capitalized(costText(done)), "faint"));
  if (rest) {
    const count = rest.split("\n").length;
    parts.push(fold(say("failure.rest", { count }), textElement("pre", rest, "trace")));
  }
  return parts;
}

function capitalized(/** @type {string} */ text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function evidenceOf(/** @type {Done} */ { evidence, elapsed_s, exit_code, inferred, error }) {
  const found = [...evidence];
  if (inferred) found.push(say("verdict.inferred"));
  if (elapsed_s !== null) found.push(say("verdict.platform_time", { time: duration(elapsed_s) }));
  const isStated = evidence.some((sentence) => sentence.includes("exit code"));
  if (exit_code !== null && !isStated) found.push(say("verdict.exit_code", { code: exit_code }));
  if (error?.code != null) found.push(say("verdict.code", { code: error.code }));
  return found;
}

/**
 * @param {string} title
 * @param {HTMLElement} content
 */
function fold(title, content) {
  return h("details", {}, textElement("summary", title), content);
}

function list(/** @type {string[]} */ sentences) {
  return h("ul", {}, ...sentences.map((sentence) => textElement("li", sentence)));
}
