// @ts-check
/**
 * Estimates the relay's clock, independent of the browser's.
 *
 * A message that carries the relay's time was sent at that time or earlier, so the latest time implied by any message
 * is the best estimate. A monotonic clock counts on from there, since the browser's clock can be changed at any time.
 */

/** @import { Message } from "../../relay.js" */

/** If the relay's clock is behind by more than a message can be late, it was set back. */
const SET_BACK_S = 60;

export class ServerClock {
  #at_s;
  #since_s;
  #isGuess = true;
  #monotonic_s;

  /**
   * @param {object} [clocks] for tests
   * @param {() => number} [clocks.monotonic_s]
   * @param {() => number} [clocks.browser_s] used until the relay's time is known
   */
  constructor({ monotonic_s = () => performance.now() / 1000, browser_s = () => Date.now() / 1000 } = {}) {
    this.#monotonic_s = monotonic_s;
    this.#at_s = browser_s();
    this.#since_s = monotonic_s();
  }

  /** Return the relay's time in unix seconds. */
  now() {
    return this.#at_s + this.#monotonic_s() - this.#since_s;
  }

  /** Set the clock from a message, if it carries the relay's time. */
  adjust(/** @type {Message|null} */ message) {
    const at_s = message ? relayTime_s(message) : null;
    if (at_s === null) return;
    const behind_s = this.now() - at_s;
    if (this.#isGuess || behind_s < 0 || behind_s > SET_BACK_S) this.#set(at_s);
    this.#isGuess = false;
  }

  /** Set the clock from a `Date` header. It has whole seconds and may come from a proxy: any message is better. */
  adjustByDate(/** @type {string|null} */ date) {
    const at_s = Date.parse(date ?? "") / 1000;
    if (this.#isGuess && !Number.isNaN(at_s)) this.#set(at_s);
  }

  #set(/** @type {number} */ at_s) {
    this.#at_s = at_s;
    this.#since_s = this.#monotonic_s();
  }
}

/**
 * Return the relay's time from a message. The `at` of an event is when the event happened, so it does not count.
 *
 * @param {Message} message
 * @returns {number|null}
 */
export function relayTime_s(message) {
  if (message.type !== "snapshot" && message.type !== "resumed" && message.type !== "ping") return null;
  return typeof message.at === "number" ? message.at : null;
}
