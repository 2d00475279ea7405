// @ts-check
/**
 * What a progress bar draws: the phase that runs, where the task has phases, else the whole. Pure.
 *
 * A model that samples to 100 % and then upscales has two phases. The whole stays at 100 % during the second, so the bar
 * restarts with each phase.
 *
 * @typedef {import("../client/types.js").Snapshot} Snapshot
 */

/**
 * @typedef {object} DrawnProgress
 * @property {number|null} percent null where it is not known
 * @property {number|null} overall the percent of the whole, where it differs and says more than that a phase was complete
 * @property {number} phase its number, from 0
 * @property {string} title such as "2. Upscaling"; empty for the first phase, whose label needs no number
 */

/**
 * @param {Snapshot} task
 * @returns {DrawnProgress}
 */
export function drawnProgress({ progress, done }) {
  const whole = done?.verdict === "succeeded" ? 100 : valid(progress?.percent);
  const phase = done ? null : progress?.phase;
  if (!phase) return { percent: whole, overall: null, phase: 0, title: "" };
  const percent = valid(phase.percent);
  const title =
    phase.index === 0 ? "" : phase.label ? `${phase.index + 1}. ${phase.label}` : `Phase ${phase.index + 1}`;
  // The percent of the whole never goes back, so 100 means here that an earlier phase was complete.
  const overall = whole === percent || whole === 100 ? null : whole;
  return { percent, overall, phase: phase.index, title };
}

function valid(/** @type {number|null|undefined} */ percent) {
  return percent == null || Number.isNaN(percent) ? null : Math.max(0, Math.min(100, percent));
}

/** Keeps a bar from going back within a phase, as when an older value arrives late. */
export class BarLevel {
  #phase = 0;
  #percent = 0;

  /**
   * @param {DrawnProgress} drawn
   * @returns {number|null} the percent to draw
   */
  take({ phase, percent }) {
    if (phase !== this.#phase) this.#percent = 0;
    this.#phase = phase;
    if (percent !== null) this.#percent = Math.max(this.#percent, percent);
    return percent === null && this.#percent === 0 ? null : this.#percent;
  }
}
