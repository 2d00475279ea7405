// @ts-check
/** `RelayClient`: follows one task across every loss of connection, until it is done. No DOM. */
import { baseUrl, DEFAULT_BASE } from "./base.js";
import { isEvent } from "./reducer.js";
import { Subscription } from "./subscription.js";
import { TaskFold } from "./task-fold.js";

/** @import { Message, RelayClientOptions, RelayUpdate, UpdateTarget } from "../../relay.js" */

const Target = /** @type {new () => UpdateTarget<RelayUpdate>} */ (EventTarget);

/**
 * Fires `update`, a CustomEvent whose `detail` is a `RelayUpdate`, for every message and every change of the connection.
 * It connects at once, and stops for good when the task is done, when the relay refuses it, or at `stop()`.
 * All clients of a page that follow tasks of the same relay share one connection for each 200 of them.
 */
export class RelayClient extends Target {
  #fold;
  #subscription;
  #stopped = false;

  /** @param {RelayClientOptions} options */
  constructor({ task, token, getToken, base = DEFAULT_BASE, wire = "ws", cursor = null, state = null }) {
    super();
    this.#fold = new TaskFold(state, cursor);
    this.#subscription = new Subscription({
      base: baseUrl(base),
      topic: { task },
      token,
      getToken,
      wire,
      cursor: () => this.#fold.cursor,
      onMessage: (message) => this.#receive(message),
      onChange: () => this.#update(null),
    });
    // Start later, so that the caller can add its listeners first.
    queueMicrotask(() => (this.#fold.ended ? this.#subscription.end() : this.#subscription.start()));
  }

  /** The task's snapshot; null before the first message. */
  get state() {
    return this.#fold.state;
  }

  /** The position in the task's log, to resume from later; null before the first message. */
  get cursor() {
    return this.#fold.cursor;
  }

  get connection() {
    return this.#subscription.state;
  }

  /** Why the relay refused the task, or why the connection is lost; otherwise empty. */
  get reason() {
    return this.#subscription.reason;
  }

  /** The wire in use, or the one being tried. */
  get wire() {
    return this.#subscription.wire;
  }

  /** The token in use; empty before the first one. */
  get token() {
    return this.#subscription.token;
  }

  /** The relay's clock minus the browser's. */
  get clockOffset_s() {
    return this.#subscription.clockOffset_s;
  }

  /** Close the connection for good; no `update` follows. May be called repeatedly. */
  stop() {
    this.#stopped = true;
    this.#subscription.stop();
  }

  /** Drop the connection and reconnect at once, without waiting for the back-off. Clients that share it reconnect with it. */
  resync() {
    this.#subscription.resync();
  }

  /** Simulate a network failure: drop the connection, which reconnects after a back-off. */
  cut() {
    this.#subscription.drop("the connection was cut");
  }

  /** Continue with a fresh token, without interruption. */
  renew(/** @type {string} */ token) {
    this.#subscription.renew(token);
  }

  #receive(/** @type {Message} */ message) {
    const before = this.#fold.cursor;
    const result = this.#fold.apply(message);
    if (result === "gap") return this.#subscription.resubscribe();
    // Two open wires may both bring the same state or event. The client reports it once.
    if (result === "ignored" && (isEvent(message) || message.type === "snapshot")) return;
    const isOpening = message.type === "snapshot" || message.type === "resumed";
    if (isOpening && this.#fold.cursor === before && this.#subscription.isSynced && !this.#fold.missing) return;
    if (result === "applied") this.#subscription.markSynced(this.#fold.missing ? "catching-up" : "live");
    this.#update(message);
    if (this.#fold.ended) this.#subscription.end();
  }

  #update(/** @type {Message|null} */ message) {
    if (this.#stopped) return;
    const {
      state: connection,
      reason,
      fault,
      clockOffset_s,
      offlineSince,
      retryAt,
      heardAt,
      wire,
    } = this.#subscription;
    const { state, missing } = this.#fold;
    /** @type {RelayUpdate} */
    const detail = {
      state,
      connection,
      reason,
      fault,
      message,
      clockOffset_s,
      offlineSince,
      retryAt,
      heardAt,
      missing,
      wire,
    };
    this.dispatchEvent(new CustomEvent("update", { detail }));
  }
}
