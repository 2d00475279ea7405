// @ts-check
/**
 * A viewer's right to see something, and its renewal: before it expires, and when the relay says that it has.
 *
 * It owns the token and asks the page for fresh ones. What is done with a fresh token is its owner's business.
 *
 * @typedef {import("./types.js").Aim} Aim
 * @typedef {import("./types.js").GetToken} GetToken
 */
import { TokenQuestion } from "./token-request.js";

/** @typedef {import("./token-request.js").TokenAnswer} TokenAnswer */

/** A token is renewed so long before its end, or when a fifth of its time is left where that is shorter. */
const EARLY_S = 60;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export class Credential {
  #token;
  #getToken;
  #aim;
  #now_s;
  #renewed;
  #troubled;
  /** @type {TokenQuestion|null} */
  #question = null;
  #early_s = EARLY_S;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;
  #stopped = false;

  /**
   * @param {object} parts
   * @param {string} [parts.token] without one `getToken` is asked first
   * @param {GetToken} [parts.getToken]
   * @param {Aim} parts.aim what the token is for
   * @param {() => number} parts.now_s the relay's clock
   * @param {(token: string) => void} parts.renewed called with a token that was renewed before its time
   * @param {(reason: string) => void} parts.troubled called when `getToken` fails or does not answer; it is asked again
   */
  constructor({ token = "", getToken, aim, now_s, renewed, troubled }) {
    this.#token = token;
    this.#getToken = getToken;
    this.#aim = aim;
    this.#now_s = now_s;
    this.#renewed = renewed;
    this.#troubled = troubled;
    this.#take(token);
  }

  /** Is there anybody to ask for a fresh token? */
  get canRenew() {
    return this.#getToken !== undefined;
  }

  /**
   * The token at hand, or a fresh one where that has expired.
   *
   * @returns {Promise<TokenAnswer>}
   */
  async get() {
    return this.#token && !this.#isStale() ? { token: this.#token, reason: "" } : this.#ask();
  }

  /** The relay takes this token for expired: `get` asks for a fresh one, where there is somebody to ask. */
  expire() {
    if (this.canRenew) this.#token = "";
  }

  /** Go on with a token that the page has brought by itself. */
  replace(/** @type {string} */ token) {
    this.#take(token);
    this.#renewed(token);
  }

  stop() {
    this.#stopped = true;
    this.#question?.stop();
    clearTimeout(this.#timer);
  }

  #isStale() {
    const end = expiryOf(this.#token);
    return this.canRenew && end !== null && end - this.#now_s() < this.#early_s / 2;
  }

  /** @returns {Promise<TokenAnswer>} one question at a time, whoever asks */
  #ask() {
    const getToken = this.#getToken;
    if (!getToken) return Promise.resolve({ token: this.#token || null, reason: "there is no token" });
    this.#question ??= new TokenQuestion({
      ask: async () => getToken(this.#aim),
      isFresh: (token) => (expiryOf(token) ?? Infinity) > this.#now_s(),
      troubled: this.#troubled,
      answered: ({ token }) => {
        this.#question = null;
        if (token) this.#take(token);
        else this.#getToken = undefined; // there is none to be had, for good
      },
    });
    return this.#question.answer;
  }

  #take(/** @type {string} */ token) {
    this.#token = token;
    clearTimeout(this.#timer);
    const end = expiryOf(token);
    if (!this.canRenew || end === null || this.#stopped) return;
    const left_s = end - this.#now_s();
    this.#early_s = Math.max(0, Math.min(EARLY_S, left_s / 5));
    this.#wait((left_s - this.#early_s) * 1000);
  }

  #wait(/** @type {number} */ ms) {
    const step_ms = Math.min(Math.max(ms, 1000), LONGEST_TIMER_MS);
    this.#timer = setTimeout(() => (ms > step_ms ? this.#wait(ms - step_ms) : this.#renew()), step_ms);
  }

  async #renew() {
    const { token } = await this.#ask();
    if (token && !this.#stopped) this.#renewed(token);
  }
}

/**
 * When a token ends, in unix seconds, by what it says of itself; null for an API key. Nothing is verified here.
 *
 * @param {string} token
 * @returns {number|null}
 */
export function expiryOf(token) {
  const claims = /^[\w-]+\.([\w-]+)\.[\w-]+$/.exec(token)?.[1];
  if (!claims) return null;
  try {
    const { exp } = JSON.parse(atob(claims.replaceAll("-", "+").replaceAll("_", "/")));
    return typeof exp === "number" ? exp : null;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof DOMException) return null; // no JSON, no base64
    throw error;
  }
}
