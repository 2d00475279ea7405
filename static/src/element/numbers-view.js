// @ts-check
/** Shows the figures of a task that has ended: how long it took, what it cost, who ran it, and how fast. */
import { h, textElement } from "./dom.js";
import { costText, duration } from "./format.js";
import { sparkline } from "./sparkline.js";
import { speedsOf } from "./speeds.js";
import { say } from "./words.js";

/** @import { Done, Snapshot } from "../../relay.js" */

export class NumbersView {
  #container;
  /** @type {Done|null} */
  #shown = null;

  constructor(/** @type {HTMLElement} */ container) {
    this.#container = container;
  }

  render(/** @type {Snapshot} */ { done, created_at, ended_at, provider, log }) {
    if (done === this.#shown) return;
    this.#shown = done;
    this.#container.hidden = done === null;
    if (!done) return;
    const { speeds, unit } = speedsOf(log);
    const figures = [
      figure(say("numbers.time"), duration((ended_at ?? created_at) - created_at)),
      ...(done.verdict === "succeeded" ? [figure(say("numbers.cost"), costText(done))] : []),
      figure(say("numbers.provider"), provider),
      ...(new Set(speeds).size > 3
        ? [figure(say("numbers.speed"), `${speeds.at(-1)} ${unit}`, sparkline(speeds))]
        : []),
    ];
    this.#container.replaceChildren(...figures);
  }
}

/**
 * @param {string} title
 * @param {string} text
 * @param {...Element} more
 */
function figure(title, text, ...more) {
  return h("div", {}, textElement("dt", title), h("dd", {}, text, ...more));
}
