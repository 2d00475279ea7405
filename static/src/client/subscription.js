// @ts-check
/**
 * Brings the messages about one task, or about all tasks of a board, through every loss of connection and of token.
 *
 * It owns the token and how the subscription stands; which wire serves is the business of the pool that it joins, and
 * what a message means that of its owner.
 *
 * @typedef {import("./types.js").Aim} Aim
 * @typedef {import("./types.js").ConnectionState} ConnectionState
 * @typedef {import("./types.js").FaultCode} FaultCode
 * @typedef {import("./types.js").Message} Message
 * @typedef {import("./types.js").WireName} WireName
 */
import { Credential } from "./credential.js";
import { poolOf } from "./pool.js";

export class Subscription {
  #hear;
  #changed;
  #credential;
  #pool;
  #wire;
  /** @type {import("./pool.js").Member} */
  #member;
  /** @type {ConnectionState} */
  #state = "connecting";
  #reason = "";
  /** @type {FaultCode|null} */
  #fault = null;
  /** @type {number|null} */
  #offlineSince = null;
  /** @type {number|null} */
  #heardAt = null;
  #clockOffset_s = 0;
  /** @type {"live"|"catching-up"|null} how far the owner has come since the line stands */
  #settled = null;
  #renewedInVain = false;
  #stopped = false;

  /**
   * @param {object} parts
   * @param {URL} parts.base
   * @param {Aim} parts.aim
   * @param {string} [parts.token]
   * @param {import("./types.js").GetToken} [parts.getToken]
   * @param {WireName} [parts.wire] the best wire to try
   * @param {() => string|null} parts.cursor where to go on from; null asks for the whole state
   * @param {(message: Message) => void} parts.hear
   * @param {() => void} parts.changed called after each change of `state`
   */
  constructor({ base, aim, token, getToken, wire = "ws", cursor, hear, changed }) {
    this.#hear = hear;
    this.#changed = changed;
    this.#wire = wire;
    this.#pool = poolOf(base, aim, wire);
    this.#credential = new Credential({
      token,
      getToken,
      aim,
      now_s: () => Date.now() / 1000 + this.#clockOffset_s,
      renewed: (fresh) => this.#renewed(fresh),
      troubled: (reason) => this.#settled || this.#set("offline", reason),
    });
    this.#member = {
      aim,
      token: "",
      cursor,
      hear: (message) => this.#receive(message),
      changed: () => this.#follow(),
      fault: (code, reason) => this.#refused(code, reason),
    };
  }

  get state() {
    return this.#state;
  }

  /** Why it was refused, or was lost and has not come back yet; else empty. */
  get reason() {
    return this.#reason;
  }

  /** What the relay refuses it for; null while it does not. */
  get fault() {
    return this.#fault;
  }

  /** Since when the connection is lost, in unix seconds by our clock; null while it is not. */
  get offlineSince() {
    return this.#offlineSince;
  }

  /** When anything was heard last, in unix seconds by our clock. */
  get heardAt() {
    return this.#heardAt;
  }

  /** The relay's clock minus ours. */
  get clockOffset_s() {
    return this.#clockOffset_s;
  }

  /** The wire that serves, or is being tried. */
  get wire() {
    return this.#wire;
  }

  start() {
    if (!this.#stopped) this.#join();
  }

  /** Hang up for good, and say nothing more. */
  stop() {
    this.#stopped = true;
    this.#credential.stop();
    this.#pool.leave(this.#member);
  }

  /** Say how far the owner has come. */
  settle(/** @type {"live"|"catching-up"} */ settled) {
    this.#settled = settled;
    this.#follow();
  }

  /** Has the owner come so far already, by another wire? */
  get isSettled() {
    return this.#settled !== null;
  }

  /** The story is over. */
  end() {
    this.#finish("ended", "");
  }

  askAnew() {
    this.#pool.askAnew(this.#member);
  }

  resync() {
    this.#pool.lineOf(this.#member.aim)?.resync();
  }

  cut(/** @type {string} */ reason) {
    this.#pool.lineOf(this.#member.aim)?.cut(reason);
  }

  renew(/** @type {string} */ token) {
    this.#credential.replace(token);
  }

  async #join() {
    const { token, reason } = await this.#credential.get();
    if (this.#stopped) return;
    if (token === null) return this.#refused("unauthorized", reason);
    this.#member.token = token;
    this.#pool.join(this.#member);
  }

  #renewed(/** @type {string} */ token) {
    this.#member.token = token;
    this.#pool.renew(this.#member);
  }

  #receive(/** @type {Message} */ message) {
    if (this.#stopped) return;
    const { at } = /** @type {{at?: number}} */ (message);
    const now_s = Date.now() / 1000;
    this.#heardAt = now_s;
    // Events carry a time too, but that of what they tell of.
    const saysNow = message.type === "snapshot" || message.type === "resumed" || message.type === "ping";
    if (saysNow && typeof at === "number") this.#clockOffset_s = at - now_s;
    if (message.type !== "ping") this.#renewedInVain = false;
    this.#hear(message);
  }

  /** A line that stands is not live yet: what it brings is. */
  #follow() {
    const line = this.#pool.lineOf(this.#member.aim);
    if (!line) return;
    this.#wire = line.wire;
    const { state, reason } = line;
    if (state === "offline" || (state === "connecting" && line.isLost)) this.#settled = null;
    if (state !== "live" && state !== "polling") this.#set(state, reason);
    else if (this.#settled) this.#set(this.#settled === "live" ? state : this.#settled);
  }

  #refused(/** @type {FaultCode} */ code, /** @type {string} */ reason) {
    if (this.#stopped) return;
    const aboutToken = code === "token_expired" || code === "unauthorized";
    if (!aboutToken || !this.#credential.canRenew || this.#renewedInVain) {
      this.#fault = code;
      return this.#finish("refused", reason);
    }
    this.#renewedInVain = true;
    this.#credential.expire();
    this.#settled = null;
    this.#set("connecting", reason);
    this.#join();
  }

  #finish(/** @type {"ended"|"refused"} */ state, /** @type {string} */ reason) {
    if (this.#stopped) return;
    this.stop();
    this.#state = state;
    this.#reason = reason;
    this.#offlineSince = null;
    this.#changed();
  }

  #set(/** @type {ConnectionState} */ state, reason = "") {
    if (this.#stopped || (this.#state === state && this.#reason === reason)) return;
    this.#state = state;
    this.#reason = reason;
    if (state === "offline") this.#offlineSince ??= Date.now() / 1000;
    else if (state !== "connecting") this.#offlineSince = null;
    this.#changed();
  }
}
