// @ts-check
/**
 * One question for a token. The page's `getToken` is asked again, with back-off, when it fails or does not answer; the
 * first good answer counts, even a late one.
 */
import { Backoff } from "./backoff.js";

/** A promise that takes longer will perhaps never settle: that of a laptop that slept, for example. */
const PATIENCE_S = 10;

/** @typedef {{token: string|null, reason: string}} TokenAnswer `reason` says why there is none */

export class TokenQuestion {
  #ask;
  #isFresh;
  #troubled;
  #answered;
  #backoff = new Backoff();
  #isOver = false;
  /** @type {Set<ReturnType<typeof setTimeout>>} */
  #timers = new Set();
  /** @type {(answer: TokenAnswer) => void} */
  #resolve = () => {};

  /**
   * @param {object} parts
   * @param {() => Promise<unknown>} parts.ask asks the page
   * @param {(token: string) => boolean} parts.isFresh whether a token that comes late is still good
   * @param {(reason: string) => void} parts.troubled called when it has to be asked again
   * @param {(answer: TokenAnswer) => void} parts.answered called once, before the promise is kept
   */
  constructor({ ask, isFresh, troubled, answered }) {
    this.#ask = ask;
    this.#isFresh = isFresh;
    this.#troubled = troubled;
    this.#answered = answered;
    this.answer = /** @type {Promise<TokenAnswer>} */ (new Promise((resolve) => (this.#resolve = resolve)));
    this.#try();
  }

  /** Nobody wants to know any more: the promise is not kept. */
  stop() {
    this.#isOver = true;
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #try() {
    let isGivenUp = false;
    const giveUp = (/** @type {string} */ reason) => {
      if (isGivenUp || this.#isOver) return;
      isGivenUp = true;
      this.#later(this.#backoff.next_s(), () => this.#try());
      this.#troubled(reason);
    };
    this.#later(PATIENCE_S, () => giveUp(`getToken has not answered within ${PATIENCE_S} s; it is asked again`));
    this.#ask().then(
      (token) => {
        const isWelcome = !isGivenUp || (isToken(token) && this.#isFresh(token));
        if (isWelcome && !this.#isOver) this.#finish(answerOf(token));
      },
      (error) => {
        // The page's own code, which may throw anything. Its message may hold secrets, so it is not shown.
        console.warn("relay: getToken failed", error);
        giveUp("getToken failed; it is asked again");
      },
    );
  }

  #finish(/** @type {TokenAnswer} */ answer) {
    this.stop();
    this.#answered(answer);
    this.#resolve(answer);
  }

  #later(/** @type {number} */ time_s, /** @type {() => void} */ then) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      then();
    }, time_s * 1000);
    this.#timers.add(timer);
  }
}

/** @returns {token is string} */
function isToken(/** @type {unknown} */ token) {
  return typeof token === "string" && token !== "";
}

/** @returns {TokenAnswer} */
function answerOf(/** @type {unknown} */ token) {
  if (isToken(token)) return { token, reason: "" };
  if (token === undefined || token === null || token === "")
    return { token: null, reason: "getToken returned no token" };
  return { token: null, reason: `getToken must return a string, and returned a value of type ${typeof token}` };
}
