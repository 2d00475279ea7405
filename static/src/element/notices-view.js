// @ts-check
/** Shows notices about a running task: it waits, it is silent, or its cancellation was requested. */
import { h, textElement } from "./dom.js";
import { duration } from "./format.js";
import { silence_s, stallOf } from "./stall.js";
import { say } from "./words.js";

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
    const position = hold.position > 0 ? say("notice.position", { position: hold.position }) : say("notice.next");
    notices.push([say("notice.held"), `${position} ${sentence(hold.reason)}`]);
  }
  const kind = stallOf(state);
  if (kind && stall) {
    const silent = duration(silence_s(state, now));
    const title = say(kind === "quiet" ? "notice.quiet" : "notice.stuck", { time: silent });
    notices.push([title, say("notice.checked", { answer: sentence(stall.checked) })]);
  }
  if (cancel && !done) notices.push([say("notice.cancel"), say("notice.cancel_by", { by: cancel.by })]);
  return notices;
}

function sentence(/** @type {string} */ text) {
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}
