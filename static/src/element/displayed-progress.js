// @ts-check
/**
 * What a progress bar displays: the current phase if the task has phases, otherwise the whole task. Pure.
 *
 * A model that samples to 100 % and then upscales has two phases. The overall percent stays at 100 during the second, so
 * the bar restarts with each phase.
 */

/** @import { Snapshot } from "../../relay.js" */

/**
 * @typedef {object} DisplayedProgress
 * @property {number|null} percent null if it is unknown
 * @property {number|null} overall the overall percent, if it adds information
 * @property {number} phase the number of the phase, from 0
 * @property {string} title such as "2. Upscaling"; empty for the first phase, whose label needs no number
 */

/**
 * @param {Pick<Snapshot, "progress"|"done">} task
 * @returns {DisplayedProgress}
 */
export function displayedProgress({ progress, done }) {
  const whole = done?.verdict === "succeeded" ? 100 : clamp(progress?.percent);
  const phase = done ? null : progress?.phase;
  if (!phase) return { percent: whole, overall: null, phase: 0, title: "" };
  const percent = clamp(phase.percent);
  const name = phase.label ? `${phase.index + 1}. ${phase.label}` : `Phase ${phase.index + 1}`;
  // The overall percent never decreases, so 100 only means that an earlier phase was complete.
  const overall = whole === percent || whole === 100 ? null : whole;
  return { percent, overall, phase: phase.index, title: phase.index === 0 ? "" : name };
}

function clamp(/** @type {number|null|undefined} */ percent) {
  return percent == null || Number.isNaN(percent) ? null : Math.max(0, Math.min(100, percent));
}

/** Keeps a bar from moving backwards within a phase when an older value arrives late. */
export class BarLevel {
  #phase = 0;
  #percent = 0;

  /**
   * @param {DisplayedProgress} progress
   * @returns {number|null} the percent to display
   */
  update({ phase, percent }) {
    if (phase !== this.#phase) this.#percent = 0;
    this.#phase = phase;
    if (percent !== null) this.#percent = Math.max(this.#percent, percent);
    return percent === null && this.#percent === 0 ? null : this.#percent;
  }
}
