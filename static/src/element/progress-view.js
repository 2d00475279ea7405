// @ts-check
/**
 * Shows the progress of a task: a bar that restarts with each phase and never moves backwards within one, the basis of
 * its percentage, the elapsed time, and the remaining time of the whole task if it is known.
 */
import { BarLevel, displayedProgress } from "./displayed-progress.js";
import { setText } from "./dom.js";
import { duration, percentText, progressDetails, STATE_LABELS } from "./format.js";
import { timeLeft, timeLeftWithBasis } from "./time-left.js";
import { say } from "./words.js";

/** @import { Snapshot } from "../../relay.js" */

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
   * @param {boolean} isConnected whether updates would arrive
   */
  render(state, now, isConnected) {
    const { progress, done, created_at, ended_at } = state;
    this.#part("progress").hidden = done !== null;
    const displayed = displayedProgress(state);
    const percent = this.#level.update(displayed);
    const text = percent === null ? "" : percentText(percent);
    const basis = percent === null || done ? "" : (progress?.basis ?? "");
    const ofWhat = displayed.overall === null ? basis : say("progress.of_phase", { number: displayed.phase + 1 });
    const details = progress && !done ? progressDetails({ ...progress, label: displayed.title || progress.label }) : [];
    if (displayed.overall !== null) details.push(say("progress.overall", { percent: percentText(displayed.overall) }));
    const eta = isConnected ? timeLeft(state, now) : "";
    this.#renderBar(percent, [text || STATE_LABELS[state.state], ofWhat, ...details, eta]);
    this.#part("bar").dataset.basis = basis;
    setText(this.#part("percent"), text);
    setText(this.#part("basis"), ofWhat);
    this.#part("basis").title = basis && say(`progress.${basis}`);
    setText(this.#part("elapsed"), duration((ended_at ?? now) - created_at));
    setText(this.#part("words"), details.join(" · "));
    setText(this.#part("eta"), eta);
    this.#part("eta").title = timeLeftWithBasis(state, eta);
  }

  /**
   * @param {number|null} percent
   * @param {string[]} description for screen readers
   */
  #renderBar(percent, description) {
    const bar = this.#part("bar");
    bar.toggleAttribute("data-unknown", percent === null);
    if (percent === null) bar.removeAttribute("aria-valuenow");
    else bar.setAttribute("aria-valuenow", String(Math.floor(percent)));
    bar.setAttribute("aria-valuetext", description.filter(Boolean).join(", "));
    this.#part("fill").style.setProperty("--relay-percent", `${percent ?? 0}%`);
  }
}
