// @ts-check
/**
 * One request to the page's `getToken`. If it fails or does not answer, it is repeated with back-off. The first valid
 * answer counts, even if it is late.
 */
import { Backoff } from "./backoff.js";

/** A promise that takes longer may never settle, for example on a laptop that slept. */
const TIMEOUT_S = 10;

/** @typedef {{token: string|null, reason: string}} TokenAnswer `reason` says why there is no token */

export class TokenRequest {
  #ask;
  #isFresh;
  #onRetry;
  #onAnswer;
  #backoff = new Backoff();
  #isOver = false;
  /** @type {Set<ReturnType<typeof setTimeout>>} */
  #timers = new Set();
  /** @type {(answer: TokenAnswer) => void} */
  #resolve = () => {};

  /**
   * @param {object} options
   * @param {() => Promise<unknown>} options.ask calls `getToken`
   * @param {(token: string) => boolean} options.isFresh whether a token that comes late is still valid
   * @param {(reason: string) => void} options.onRetry called before `getToken` is called again
   * @param {(answer: TokenAnswer) => void} options.onAnswer called once, before the promise resolves
   */
  constructor({ ask, isFresh, onRetry, onAnswer }) {
    this.#ask = ask;
    this.#isFresh = isFresh;
    this.#onRetry = onRetry;
    this.#onAnswer = onAnswer;
    /** @type {Promise<TokenAnswer>} */
    this.answer = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#try();
  }

  /** Stop asking; the promise stays pending. */
  stop() {
    this.#isOver = true;
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #try() {
    let isGivenUp = false;
    const giveUp = (/** @type {string} */ reason) => {
      if (isGivenUp || this.#isOver) return;
      isGivenUp = true;
      this.#after(this.#backoff.next_s(), () => this.#try());
      this.#onRetry(reason);
    };
    this.#after(TIMEOUT_S, () => giveUp(`getToken has not answered within ${TIMEOUT_S} s; trying again`));
    this.#ask().then(
      (token) => {
        const isUsable = !isGivenUp || (isToken(token) && this.#isFresh(token));
        if (isUsable && !this.#isOver) this.#finish(toAnswer(token));
      },
      (error) => {
        // The page's own code may throw anything. Its message may contain secrets, so it is not shown to viewers.
        console.warn("relay: getToken failed", error);
        giveUp("getToken failed; trying again");
      },
    );
  }

  #finish(/** @type {TokenAnswer} */ answer) {
    this.stop();
    this.#onAnswer(answer);
    this.#resolve(answer);
  }

  #after(/** @type {number} */ time_s, /** @type {() => void} */ then) {
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
function toAnswer(/** @type {unknown} */ token) {
  if (isToken(token)) return { token, reason: "" };
  if (token === undefined || token === null || token === "") {
    return { token: null, reason: "getToken returned no token" };
  }
  return { token: null, reason: `getToken must return a string, but returned a value of type ${typeof token}` };
}
