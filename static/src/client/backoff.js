// @ts-check
/** Exponential back-off with full jitter, so that the viewers of a restarted relay do not reconnect at once. */

const FIRST_S = 0.5;
const LONGEST_S = 20;

export class Backoff {
  #attempts = 0;
  #random;

  /** @param {() => number} [random] returns a number from 0 up to 1 */
  constructor(random = Math.random) {
    this.#random = random;
  }

  /** Return how many seconds to wait. The window doubles with each call, from 0.5 s up to 20 s. */
  next_s() {
    const window_s = Math.min(LONGEST_S, FIRST_S * 2 ** this.#attempts);
    this.#attempts += 1;
    return this.#random() * window_s;
  }

  /** Restart with the shortest window, after a success. */
  reset() {
    this.#attempts = 0;
  }
}
