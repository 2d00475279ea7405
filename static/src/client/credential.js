// @ts-check
/**
 * Holds the token of one subscription and renews it: before it expires, and when the relay reports it as expired. The
 * owner decides what to do with a fresh token.
 */
import { expiryOf } from "./token-claims.js";
import { TokenRequest } from "./token-request.js";

/** @import { GetToken, Topic } from "../../relay.js" */
/** @import { TokenAnswer } from "./token-request.js" */

/** A token is renewed this long before it expires, or after four fifths of its lifetime if that is later. */
const EARLY_S = 60;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export class Credential {
  #token;
  #getToken;
  #topic;
  #now_s;
  #onRenewed;
  #onRetry;
  /** @type {TokenRequest|null} */
  #request = null;
  #early_s = EARLY_S;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;
  #stopped = false;

  /**
   * @param {object} options
   * @param {string} [options.token] without one, `getToken` is called first
   * @param {GetToken} [options.getToken]
   * @param {Topic} options.topic what the token is for
   * @param {() => number} options.now_s the relay's clock
   * @param {(token: string) => void} options.onRenewed called with a token that was renewed ahead of time
   * @param {(reason: string) => void} options.onRetry called when `getToken` fails or does not answer
   */
  constructor({ token = "", getToken, topic, now_s, onRenewed, onRetry }) {
    this.#token = token;
    this.#getToken = getToken;
    this.#topic = topic;
    this.#now_s = now_s;
    this.#onRenewed = onRenewed;
    this.#onRetry = onRetry;
    this.#set(token);
  }

  /** Whether `getToken` can be called for a fresh token. */
  get canRenew() {
    return this.#getToken !== undefined;
  }

  /**
   * Return the current token, or a fresh one if that has expired.
   *
   * @returns {Promise<TokenAnswer>}
   */
  async get() {
    return this.#token && !this.#isStale() ? { token: this.#token, reason: "" } : this.#requestToken();
  }

  /** Discard a token that the relay reported as expired, if it can be renewed. */
  expire() {
    if (this.canRenew) this.#token = "";
  }

  /** Use a token that the page provided on its own. */
  replace(/** @type {string} */ token) {
    this.#set(token);
    this.#onRenewed(token);
  }

  stop() {
    this.#stopped = true;
    this.#request?.stop();
    clearTimeout(this.#timer);
  }

  #isStale() {
    const end = expiryOf(this.#token);
    return this.canRenew && end !== null && end - this.#now_s() < this.#early_s / 2;
  }

  /** @returns {Promise<TokenAnswer>} concurrent callers share one request */
  #requestToken() {
    const getToken = this.#getToken;
    if (!getToken) return Promise.resolve({ token: this.#token || null, reason: "there is no token" });
    this.#request ??= new TokenRequest({
      ask: async () => getToken(this.#topic),
      isFresh: (token) => (expiryOf(token) ?? Infinity) > this.#now_s(),
      onRetry: this.#onRetry,
      onAnswer: ({ token }) => {
        this.#request = null;
        if (token) this.#set(token);
        else this.#getToken = undefined; // the page has no token to give
      },
    });
    return this.#request.answer;
  }

  #set(/** @type {string} */ token) {
    this.#token = token;
    clearTimeout(this.#timer);
    const end = expiryOf(token);
    if (!this.canRenew || end === null || this.#stopped) return;
    const left_s = end - this.#now_s();
    this.#early_s = Math.max(0, Math.min(EARLY_S, left_s / 5));
    this.#schedule((left_s - this.#early_s) * 1000);
  }

  #schedule(/** @type {number} */ ms) {
    const step_ms = Math.min(Math.max(ms, 1000), LONGEST_TIMER_MS);
    this.#timer = setTimeout(() => (ms > step_ms ? this.#schedule(ms - step_ms) : this.#renew()), step_ms);
  }

  async #renew() {
    const { token } = await this.#requestToken();
    if (token && !this.#stopped) this.#onRenewed(token);
  }
}
