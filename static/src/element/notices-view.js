// @ts-check
/** Shows what a person should know while a task runs: it waits, it is silent, somebody wants it stopped. */
import { h, textElement } from "./dom.js";
import { duration } from "./format.js";
import { silenceOf, silentFor_s } from "./silence.js";

/** @typedef {import("../client/types.js").Snapshot} Snapshot */

export class NoticesView {
  #place;
  #shown = "";

  constructor(/** @type {HTMLElement} */ place) {
    this.#place = place;
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
    this.#place.replaceChildren(
      ...notices.map(([lead, words]) => h("p", { class: "notice" }, textElement("strong", lead), words)),
    );
  }
}

/**
 * @param {Snapshot} state
 * @param {number} now
 * @returns {[lead: string, words: string][]}
 */
function noticesOf(state, now) {
  const { hold, stall, cancel, done } = state;
  /** @type {[string, string][]} */
  const notices = [];
  if (hold) {
    const place = hold.position > 0 ? `Number ${hold.position} in the relay's line. ` : "It is about to be submitted. ";
    notices.push(["Waiting for a place at the platform", `${place}${sentence(hold.reason)}`]);
  }
  const silence = silenceOf(state);
  if (silence && stall) {
    const silent = duration(silentFor_s(state, now));
    const lead = silence === "quiet" ? `No news for ${silent}` : `Stuck for ${silent}`;
    notices.push([lead, `The relay asked the platform: ${sentence(stall.checked)}`]);
  }
  if (cancel && !done) notices.push(["Stopping was asked for", `By ${cancel.by}. What comes of it is not known yet.`]);
  return notices;
}

function sentence(/** @type {string} */ words) {
  return /[.!?…]$/.test(words) ? words : `${words}.`;
}
