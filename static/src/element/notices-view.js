// @ts-check
/** Shows notices about a running task: it waits, it is silent, or its cancellation was requested. */
import { h, textElement } from "./dom.js";
import { duration } from "./format.js";
import { silence_s, stallOf } from "./stall.js";

/** @import { Snapshot } from "../../relay.js" */

export class NoticesView {
  #container;
  #shown = "";

  constructor(/** @type {HTMLElement} */ container) {
    this.#container = container;
  }

  /**
   * @param {Snapshot} state
   * @param {number} now
   */
  render(state, now) {
    const notices = noticesOf(state, now);
    const shown = JSON.stringify(notices);
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#container.replaceChildren(
      ...notices.map(([title, text]) => h("p", { class: "notice" }, textElement("strong", title), text)),
    );
  }
}

/**
 * @param {Snapshot} state
 * @param {number} now
 * @returns {[title: string, text: string][]}
 */
function noticesOf(state, now) {
  const { hold, stall, cancel, done } = state;
  /** @type {[string, string][]} */
  const notices = [];
  if (hold) {
    const position = hold.position > 0 ? `Position ${hold.position} in the relay's queue.` : "About to be submitted.";
    notices.push(["Waiting for capacity on the platform", `${position} ${sentence(hold.reason)}`]);
  }
  const kind = stallOf(state);
  if (kind && stall) {
    const silent = duration(silence_s(state, now));
    const title = kind === "quiet" ? `No updates for ${silent}` : `Stuck for ${silent}`;
    notices.push([title, `The relay asked the platform: ${sentence(stall.checked)}`]);
  }
  if (cancel && !done) notices.push(["Cancellation requested", `By ${cancel.by}. The outcome is not known yet.`]);
  return notices;
}

function sentence(/** @type {string} */ text) {
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}
