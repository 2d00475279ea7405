// @ts-check
/** The button that stops a task. It asks once more before it does, in its own place and not in a box of the browser's. */

import { Problem } from "../client/problem.js";
import { h, setText, textElement } from "./dom.js";

export class CancelView {
  #place;
  #cancel;
  #ask;
  #sure;
  #said;

  /**
   * @param {HTMLElement} place
   * @param {() => Promise<unknown>} cancel
   */
  constructor(place, cancel) {
    this.#place = place;
    this.#cancel = cancel;
    this.#ask = h("button", { type: "button", part: "cancel" }, "Stop this task");
    const stop = h("button", { type: "button", class: "main" }, "Yes, stop it");
    const keep = h("button", { type: "button" }, "Let it run");
    this.#sure = h(
      "span",
      { class: "actions", hidden: true },
      textElement("span", "What it has made so far is lost."),
      stop,
      keep,
    );
    this.#said = h("span", { role: "status", class: "faint" });
    place.replaceChildren(this.#ask, this.#sure, this.#said);
    this.#ask.addEventListener("click", () => {
      this.#choose(true);
      keep.focus();
    });
    keep.addEventListener("click", () => {
      this.#choose(false);
      this.#ask.focus();
    });
    stop.addEventListener("click", () => this.#stop());
  }

  render(/** @type {boolean} */ possible) {
    this.#place.hidden = !possible;
  }

  #choose(/** @type {boolean} */ asking) {
    this.#ask.hidden = asking;
    this.#sure.hidden = !asking;
    setText(this.#said, "");
  }

  async #stop() {
    this.#choose(false);
    this.#ask.disabled = true;
    try {
      await this.#cancel();
      setText(this.#said, "Asked the relay to stop it.");
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setText(this.#said, error.detail || error.title);
    } finally {
      this.#ask.disabled = false;
    }
  }
}
