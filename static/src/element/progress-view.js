// @ts-check
/**
 * Shows how far a task is: one bar, which restarts with each phase and never goes back within one, where its percent
 * comes from, how long the task has taken, and what is left where that is known.
 */

import { BarLevel, drawnProgress } from "./displayed-progress.js";
import { setText } from "./dom.js";
import { duration, etaWords, percentText, progressWords, STATE_WORDS } from "./format.js";
import { silenceOf } from "./silence.js";

/** @typedef {import("../client/types.js").Snapshot} Snapshot */

/** @type {Record<string, string>} */
const BASIS_TITLE = {
  measured: "The model itself said how far it is.",
  estimated: "Worked out from how long such tasks take.",
};

export class ProgressView {
  #part;
  #level = new BarLevel();

  /** @param {(name: string) => HTMLElement} part finds a part of the skeleton */
  constructor(part) {
    this.#part = part;
  }

  /**
   * @param {Snapshot} state
   * @param {number} now
   * @param {boolean} hears whether news would reach us
   */
  render(state, now, hears) {
    const { progress, done, created_at, ended_at } = state;
    this.#part("progress").hidden = done !== null; // what came of it says more than any bar
    const drawn = drawnProgress(state);
    const percent = this.#level.take(drawn);
    const text = percent === null ? "" : percentText(percent);
    const basis = percent === null ? "no percent yet" : done ? "" : (progress?.basis ?? "");
    const words = progress && !done ? progressWords({ ...progress, label: drawn.title || progress.label }) : [];
    if (drawn.overall !== null) words.push(`${percentText(drawn.overall)} overall`);
    const eta = hears ? honestEta(state, now) : "";
    this.#renderBar(percent, [text || STATE_WORDS[state.state], basis, ...words, eta]);
    this.#part("bar").dataset.basis = basis;
    setText(this.#part("percent"), text);
    setText(this.#part("basis"), basis);
    this.#part("basis").title = BASIS_TITLE[basis] ?? "";
    setText(this.#part("elapsed"), duration((ended_at ?? now) - created_at));
    setText(this.#part("words"), words.join(" · "));
    setText(this.#part("eta"), eta);
  }

  /**
   * @param {number|null} percent
   * @param {string[]} words
   */
  #renderBar(percent, words) {
    const bar = this.#part("bar");
    bar.toggleAttribute("data-unknown", percent === null);
    if (percent === null) bar.removeAttribute("aria-valuenow");
    else bar.setAttribute("aria-valuenow", String(Math.floor(percent)));
    bar.setAttribute("aria-valuetext", words.filter(Boolean).join(", "));
    this.#part("fill").style.setProperty("--relay-percent", `${percent ?? 0}%`);
  }
}

/**
 * What is left, in words; empty where it would be a guess: nothing was said, the task is silent, or what was said is
 * older than the time that it promised.
 *
 * @param {Snapshot} state
 * @param {number} now
 */
export function honestEta(state, now) {
  const { progress, done, updated_at } = state;
  const eta = progress?.eta;
  if (!eta || silenceOf(state) || done || eta.high_s < 1) return ""; // a step's last breath is no news
  return now - updated_at > Math.max(10, eta.high_s) ? "" : etaWords(eta);
}
