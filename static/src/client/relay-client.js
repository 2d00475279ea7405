// @ts-check
/**
 * Follows one task, by whichever way works, through every loss of connection, until it is done. No DOM.
 *
 * It puts the parts together: the subscription brings messages, the fold makes a state of them.
 *
 * @typedef {import("./types.js").Snapshot} Snapshot
 * @typedef {import("./types.js").Message} Message
 */
import { baseUrl, DEFAULT_BASE } from "./base.js";
import { isEvent } from "./reducer.js";
import { Subscription } from "./subscription.js";
import { Fold } from "./task-fold.js";

export { DEFAULT_BASE };

/**
 * @typedef {object} RelayUpdate
 * @property {Snapshot|null} state the whole state, null before the first message
 * @property {import("./types.js").ConnectionState} connection
 * @property {string} reason why it was refused, or was lost and has not come back yet; else empty
 * @property {import("./types.js").FaultCode|null} fault what it was refused for, for programs
 * @property {Message|null} message what was received; null where only the connection has changed
 * @property {number} clockOffset_s the relay's clock minus ours
 * @property {number|null} offlineSince since when the connection is lost, in unix seconds by our clock
 * @property {number|null} heardAt when anything was heard last, in unix seconds by our clock
 * @property {number} missing how many of the missed events are still to come
 * @property {import("./types.js").WireName} wire the way that serves, or is being tried
 */

/**
 * Fires `update`, a CustomEvent whose `detail` is a `RelayUpdate`, for every message and every change of connection.
 * It connects at once, and stops for good when the task is done, when it is refused, or at `stop()`.
 * All clients of a page that follow tasks of one relay share one connection for each 200 of them.
 */
export class RelayClient extends EventTarget {
  #fold;
  #subscription;
  #stopped = false;

  /**
   * @param {object} options
   * @param {string} options.task
   * @param {string} [options.token] a viewer token, or an API key; without one `getToken` is asked
   * @param {import("./types.js").GetToken} [options.getToken] brings fresh tokens
   * @param {string} [options.base] where the relay is; by default where this module came from
   * @param {import("./types.js").WireName} [options.wire] the best way to try; where it is blocked the next one is
   * @param {string|null} [options.cursor] where to go on from, for a caller that keeps the state by itself
   * @param {Snapshot|null} [options.state] a state to go on from; its cursor is used
   */
  constructor({ task, token, getToken, base = DEFAULT_BASE, wire = "ws", cursor = null, state = null }) {
    super();
    this.#fold = new Fold(state, cursor);
    this.#subscription = new Subscription({
      base: baseUrl(base),
      aim: { task },
      token,
      getToken,
      wire,
      cursor: () => this.#fold.cursor,
      hear: (message) => this.#receive(message),
      changed: () => this.#update(null),
    });
    // Not here and now: who has just made us must be able to listen first.
    queueMicrotask(() => (this.#fold.ended ? this.#subscription.end() : this.#subscription.start()));
  }

  /** The task's snapshot, null before the first message. */
  get state() {
    return this.#fold.state;
  }

  /** The place in the task's log, to go on from later; null before the first message. */
  get cursor() {
    return this.#fold.cursor;
  }

  get connection() {
    return this.#subscription.state;
  }

  /** Why it was refused, or was lost and has not come back yet; else empty. */
  get reason() {
    return this.#subscription.reason;
  }

  /** The way that serves, or is being tried. */
  get wire() {
    return this.#subscription.wire;
  }

  /** The relay's clock minus ours. */
  get clockOffset_s() {
    return this.#subscription.clockOffset_s;
  }

  /** Hang up for good; no `update` follows. Harmless when repeated. */
  stop() {
    this.#stopped = true;
    this.#subscription.stop();
  }

  /** Drop the connection and come back at once, as after a sleep. Clients that share it come back with it. */
  resync() {
    this.#subscription.resync();
  }

  /** Lose the connection as a network would: it comes back after a back-off. To try out and to show. */
  cut() {
    this.#subscription.cut("the connection was cut");
  }

  /** Go on with a fresh token, without a gap. */
  renew(/** @type {string} */ token) {
    this.#subscription.renew(token);
  }

  #receive(/** @type {Message} */ message) {
    const before = this.#fold.cursor;
    const taken = this.#fold.take(message);
    if (taken === "gap") return this.#subscription.askAnew();
    // Two wires that are open at once may both bring the same state or event: the client reports it once.
    if (taken === "nothing" && (isEvent(message) || message.type === "snapshot")) return;
    const isOpening = message.type === "snapshot" || message.type === "resumed";
    if (isOpening && this.#fold.cursor === before && this.#subscription.isSettled && !this.#fold.missing) return;
    if (taken === "placed") this.#subscription.settle(this.#fold.missing ? "catching-up" : "live");
    this.#update(message);
    if (this.#fold.ended) this.#subscription.end();
  }

  #update(/** @type {Message|null} */ message) {
    if (this.#stopped) return;
    /** @type {RelayUpdate} */
    const detail = {
      state: this.#fold.state,
      connection: this.#subscription.state,
      reason: this.#subscription.reason,
      fault: this.#subscription.fault,
      message,
      clockOffset_s: this.#subscription.clockOffset_s,
      offlineSince: this.#subscription.offlineSince,
      heardAt: this.#subscription.heardAt,
      missing: this.#fold.missing,
      wire: this.#subscription.wire,
    };
    this.dispatchEvent(new CustomEvent("update", { detail }));
  }
}
