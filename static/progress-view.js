// @ts-check
/**
 * Shows how far a task is: one bar that never goes back, where its percent comes from, how long it has taken, and what
 * is left where somebody can honestly say.
 */
import { setText } from "./dom.js";
import { duration, etaWords, percentText, progressWords, STATE_WORDS } from "./format.js";

/** @typedef {import("./types.js").Snapshot} Snapshot */

/** @type {Record<string, string>} */
const BASIS_TITLE = {
  measured: "The model itself said how far it is.",
  estimated: "Worked out from how long such tasks take.",
};

export class ProgressView {
  #part;
  #percent = 0;

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
    const percent = done?.verdict === "succeeded" ? 100 : (progress?.percent ?? null);
    if (percent !== null) this.#percent = Math.max(this.#percent, Math.min(100, percent));
    const known = percent !== null || this.#percent > 0;
    const basis = known ? (done ? "" : (progress?.basis ?? "")) : "no percent yet";
    const words = progress && !done ? progressWords(progress) : [];
    const eta = hears ? honestEta(state, now) : "";
    this.#renderBar(known, [known ? percentText(this.#percent) : STATE_WORDS[state.state], basis, ...words, eta]);
    this.#part("bar").dataset.basis = basis;
    setText(this.#part("percent"), known ? percentText(this.#percent) : "");
    setText(this.#part("basis"), basis);
    this.#part("basis").title = BASIS_TITLE[basis] ?? "";
    setText(this.#part("elapsed"), duration((ended_at ?? now) - created_at));
    setText(this.#part("words"), words.join(" · "));
    setText(this.#part("eta"), eta);
  }

  /**
   * @param {boolean} known
   * @param {string[]} words
   */
  #renderBar(known, words) {
    const bar = this.#part("bar");
    bar.toggleAttribute("data-unknown", !known);
    if (known) bar.setAttribute("aria-valuenow", String(Math.floor(this.#percent)));
    else bar.removeAttribute("aria-valuenow");
    bar.setAttribute("aria-valuetext", words.filter(Boolean).join(", "));
    this.#part("fill").style.setProperty("--relay-percent", `${known ? this.#percent : 0}%`);
  }
}

/**
 * What is left, in words; empty where it would be a guess: nothing was said, the task is silent, or what was said is
 * older than the time that it promised.
 *
 * @param {Snapshot} state
 * @param {number} now
 */
export function honestEta({ progress, stall, done, updated_at }, now) {
  const eta = progress?.eta;
  if (!eta || stall || done || eta.high_s < 1) return ""; // a step's last breath is no news
  return now - updated_at > Math.max(10, eta.high_s) ? "" : etaWords(eta);
}
