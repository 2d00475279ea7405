// @ts-check
/** Draws the time of a task as a bar: waited, prepared, ran. A mark is at the time that is usual for its model. */
import { h } from "../element/dom.js";
import { duration } from "../element/format.js";
import { barParts } from "./task-times.js";

/** @import { Times } from "./task-times.js" */

export class TimeBar {
  #parts = { waited: h("i"), prepared: h("i"), ran: h("i") };
  #usual = h("b");
  #shown = "";
  element;

  constructor() {
    for (const [name, part] of Object.entries(this.#parts)) part.dataset.part = name;
    const track = h("span", { class: "track" }, ...Object.values(this.#parts));
    this.element = h("span", { class: "timebar", role: "img" }, track, this.#usual);
  }

  /**
   * @param {Times} times
   * @param {number|null} usual_s
   */
  render(times, usual_s) {
    const { waited, prepared, ran, usual } = barParts(times, usual_s);
    const shown = [waited, prepared, ran, usual ?? -1].map((share) => share.toFixed(3)).join();
    if (shown !== this.#shown) {
      this.#shown = shown;
      place(this.#parts.waited, 0, waited);
      place(this.#parts.prepared, waited, prepared);
      place(this.#parts.ran, waited + prepared, ran);
      this.#usual.hidden = usual === null;
      this.#usual.style.left = `${100 * (usual ?? 0)}%`;
    }
    const label = `Waited ${duration(times.waited)}, prepared ${duration(times.prepared)}, ran ${duration(times.ran)}`;
    const text = usual_s === null ? label : `${label}; usually ${duration(usual_s)} in all`;
    if (this.element.getAttribute("aria-label") === text) return;
    this.element.setAttribute("aria-label", text);
    this.element.title = text;
  }
}

/**
 * @param {HTMLElement} part
 * @param {number} start
 * @param {number} share
 */
function place(part, start, share) {
  part.style.transform = `translateX(${(100 * start).toFixed(1)}%) scaleX(${share.toFixed(3)})`;
}
