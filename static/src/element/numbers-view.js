// @ts-check
/** Shows the figures of a task that has ended: how long it took, what it cost, who ran it, and how fast. */
import { h, textElement } from "./dom.js";
import { costText, duration } from "./format.js";
import { sparkline } from "./sparkline.js";
import { LiveSpeeds, speedsOf } from "./speeds.js";
import { say } from "./words.js";

/** @import { Done, Snapshot } from "../../relay.js" */
/** @import { Speeds } from "./speeds.js" */

/** Fewer different speeds are no line. */
const LEAST_SPEEDS = 4;

export class NumbersView {
  #container;
  #live = new LiveSpeeds();
  /** @type {Done|null} */
  #shown = null;

  constructor(/** @type {HTMLElement} */ container) {
    this.#container = container;
  }

  /** Show the speed while the task runs, and all figures once it has ended. */
  render(/** @type {Snapshot} */ state) {
    const { done } = state;
    const isNew = this.#live.add(state.progress);
    if (done ? done === this.#shown : !isNew) return;
    this.#shown = done;
    const figures = [...(done ? ended(state, done) : []), ...speed(done ? speedsOf(state.log) : this.#live.speeds)];
    this.#container.hidden = figures.length === 0;
    this.#container.replaceChildren(...figures);
  }
}

/**
 * @param {Snapshot} state
 * @param {Done} done
 */
function ended({ created_at, ended_at, provider }, done) {
  return [
    figure(say("numbers.time"), duration((ended_at ?? created_at) - created_at)),
    ...(done.verdict === "succeeded" ? [figure(say("numbers.cost"), costText(done))] : []),
    figure(say("numbers.provider"), provider),
  ];
}

function speed(/** @type {Speeds} */ { speeds, unit }) {
  if (new Set(speeds).size < LEAST_SPEEDS) return [];
  return [figure(say("numbers.speed"), `${speeds.at(-1)} ${unit}`.trim(), sparkline(speeds))];
}

/**
 * @param {string} title
 * @param {string} text
 * @param {...Element} more
 */
function figure(title, text, ...more) {
  return h("div", {}, textElement("dt", title), h("dd", {}, text, ...more));
}
