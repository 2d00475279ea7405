// @ts-check
/**
 * Tells the relay's time, whatever the browser's clock says.
 *
 * A message that carries the relay's clock was sent then or earlier, so the latest time that any message implies is the
 * best one known. In between a monotonic clock counts on, because the browser's own clock can be set while a page is open.
 */

/** The relay's clock was set back if it is behind by more than a message can be late. */
const SET_BACK_S = 60;

/** Messages whose `at` is the relay's clock. That of an event is when the event happened. */
const CARRIERS = new Set(["snapshot", "resumed", "ping"]);

/** @typedef {{type: string, at?: unknown}} Heard */

export class ServerClock {
  #at_s;
  #since_s;
  #isGuess = true;
  #monotonic_s;

  /**
   * @param {object} [clocks] for tests
   * @param {() => number} [clocks.monotonic_s]
   * @param {() => number} [clocks.browser_s] what counts until the relay's clock is known
   */
  constructor({ monotonic_s = () => performance.now() / 1000, browser_s = () => Date.now() / 1000 } = {}) {
    this.#monotonic_s = monotonic_s;
    this.#at_s = browser_s();
    this.#since_s = monotonic_s();
  }

  /** Unix seconds. */
  now() {
    return this.#at_s + this.#monotonic_s() - this.#since_s;
  }

  /** Take the clock from a message, if it carries one. */
  hear(/** @type {Heard|null} */ message) {
    if (message && CARRIERS.has(message.type) && typeof message.at === "number") this.#set(message.at);
  }

  /** Take the time of a response's `Date` header. It has whole seconds and may come from a proxy: any message beats it. */
  hint(/** @type {string|null} */ date) {
    const at_s = Date.parse(date ?? "") / 1000;
    if (!this.#isGuess || Number.isNaN(at_s)) return;
    this.#place(at_s);
  }

  #set(/** @type {number} */ at_s) {
    const behind_s = this.now() - at_s;
    if (this.#isGuess || behind_s < 0 || behind_s > SET_BACK_S) this.#place(at_s);
    this.#isGuess = false;
  }

  #place(/** @type {number} */ at_s) {
    this.#at_s = at_s;
    this.#since_s = this.#monotonic_s();
  }
}
