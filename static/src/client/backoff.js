// @ts-check
/** How long to wait before the next try: full jitter, so that viewers of a restarted relay do not come back in step. */

const FIRST_S = 0.5;
const LONGEST_S = 20;

export class Backoff {
  #tries = 0;
  #random;

  /** @param {() => number} [random] from 0 up to 1 */
  constructor(random = Math.random) {
    this.#random = random;
  }

  /** Return the seconds to wait now; the window doubles with each call, from 0.5 s up to 20 s. */
  next_s() {
    const window_s = Math.min(LONGEST_S, FIRST_S * 2 ** this.#tries);
    this.#tries += 1;
    return this.#random() * window_s;
  }

  /** Has nothing failed since something good was heard? */
  get isFresh() {
    return this.#tries === 0;
  }

  /** Begin again with the shortest window: something good was heard. */
  reset() {
    this.#tries = 0;
  }
}
