// @ts-check
/** Measures how long a model has thought before it began to answer. */

export class ThoughtTime {
  /** @type {number|null} */
  #start = null;
  /** @type {number|null} */
  #end = null;

  /**
   * @param {object} now
   * @param {boolean} now.isThinking
   * @param {number|null} now.started_at when the model started; null if that is unknown
   * @param {number} now.now seconds of the same clock
   * @returns {number|null} seconds; null if the thinking was over before it was first seen
   */
  update({ isThinking, started_at, now }) {
    if (isThinking) this.#start ??= started_at ?? now;
    else if (this.#start !== null) this.#end ??= now;
    return this.#start === null ? null : Math.max(0, (this.#end ?? now) - this.#start);
  }
}
