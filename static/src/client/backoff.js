// @ts-check
/**
 * Exponential back-off with full jitter, so that the viewers of a restarted relay do not reconnect at once. Hidden pages
 * wait longer: they connect at once when they are shown again, and leave the relay to the pages that are looked at.
 */

const FIRST_S = 0.5;
const LONGEST_VISIBLE_S = 5;
const LONGEST_HIDDEN_S = 30;

export class Backoff {
  #attempts = 0;
  #random;
  #isVisible;

  /**
   * @param {object} [options] for tests
   * @param {() => number} [options.random] returns a number from 0 up to 1
   * @param {() => boolean} [options.isVisible] whether a reader sees the page
   */
  constructor({ random = Math.random, isVisible = isPageVisible } = {}) {
    this.#random = random;
    this.#isVisible = isVisible;
  }

  /** Return how many seconds to wait. The window doubles with each call, from 0.5 s up to 5 s, or 30 s if hidden. */
  next_s() {
    const longest_s = this.#isVisible() ? LONGEST_VISIBLE_S : LONGEST_HIDDEN_S;
    const window_s = Math.min(longest_s, FIRST_S * 2 ** this.#attempts);
    this.#attempts += 1;
    return this.#random() * window_s;
  }

  /** Restart with the shortest window, after a success. */
  reset() {
    this.#attempts = 0;
  }
}

/** Return whether the page is visible. A program without pages, as in Node, counts as hidden. */
function isPageVisible() {
  return globalThis.document?.visibilityState === "visible";
}
