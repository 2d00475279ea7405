// @ts-check
/**
 * Follows one task, over WebSocket or SSE, through every loss of connection, until it is done. No DOM.
 *
 * It owns the choice of the wire and the place to go on from; what a message means is the reducer's business, when to
 * come back the connection's.
 *
 * @typedef {import("./types.js").Snapshot} Snapshot
 * @typedef {import("./types.js").Message} Message
 * @typedef {import("./types.js").Ending} Ending
 */
import { Connection } from "./connection.js";
import { leavesGap, reduce } from "./reducer.js";
import { fitsSubprotocol, openSocket } from "./socket.js";
import { openStream } from "./stream.js";

/** The relay that this module came from: right on its own pages, and on those that load its element. */
export const DEFAULT_BASE = new URL("../", import.meta.url).href;

/** So often a WebSocket may fail to open before the event stream is tried. */
const SOCKET_TRIES = 2;

/**
 * @typedef {object} RelayUpdate
 * @property {Snapshot|null} state the whole state, null before the first message
 * @property {import("./types.js").ConnectionState} connection
 * @property {string} reason why it was refused, or was lost and has not come back yet; else empty
 * @property {Message|null} message what was received; null where only the connection has changed
 * @property {number} clockOffset_s server clock minus ours
 */

/**
 * Fires `update`, a CustomEvent whose `detail` is a `RelayUpdate`, for every message and every change of connection.
 * It connects at once, and stops for good when the task is done, when it is refused, or at `stop()`.
 */
export class RelayClient extends EventTarget {
  #task;
  #token;
  #base;
  #wire;
  /** @type {Snapshot|null} */
  #state;
  /** @type {string|null} */
  #cursor;
  #connection;
  #failedSockets = 0;
  #socketWorks = false;
  #missing = 0;
  #clockOffset_s = 0;
  #stopped = false;

  /**
   * @param {object} options
   * @param {string} options.task
   * @param {string} options.token a viewer token, or an API key
   * @param {string} [options.base] where the relay is; by default where this module came from
   * @param {"ws"|"sse"} [options.wire] `ws` falls back to SSE where no WebSocket can be opened
   * @param {string|null} [options.cursor] where to go on from, for a caller that folds by itself
   * @param {Snapshot|null} [options.state] a state to go on from; its cursor is used
   */
  constructor({ task, token, base = DEFAULT_BASE, wire = "ws", cursor = null, state = null }) {
    super();
    this.#task = task;
    this.#token = token;
    this.#base = new URL(base.endsWith("/") ? base : `${base}/`, globalThis.location?.href);
    this.#wire = wire;
    this.#state = state;
    this.#cursor = state ? cursorOf(state) : cursor;
    this.#connection = new Connection({
      dial: (closed) => this.#dial(closed),
      changed: () => this.#update(null),
    });
    // Not here and now: who has just made us must be able to listen first.
    queueMicrotask(() => (this.#state?.done ? this.#connection.end() : this.#connection.start()));
  }

  get state() {
    return this.#state;
  }

  get connection() {
    return this.#connection.state;
  }

  get reason() {
    return this.#connection.reason;
  }

  get clockOffset_s() {
    return this.#clockOffset_s;
  }

  /** Hang up for good; no `update` follows. Harmless when repeated. */
  stop() {
    this.#stopped = true;
    this.#connection.stop();
  }

  /**
   * @param {(ending: Ending) => void} closed
   * @returns {import("./types.js").Wire}
   */
  #dial(closed) {
    const overSocket = this.#wire === "ws" && this.#failedSockets < SOCKET_TRIES && fitsSubprotocol(this.#token);
    const url = new URL(`v1/tasks/${encodeURIComponent(this.#task)}/${overSocket ? "ws" : "events"}`, this.#base);
    if (this.#cursor) url.searchParams.set("cursor", this.#cursor);
    const message = (/** @type {string} */ text) => this.#receive(text);
    if (!overSocket) {
      return openStream(url, this.#token, {
        message,
        closed: (ending) => {
          // Neither wire opens, so it is not the WebSocket that is at fault: begin with it again.
          if (ending.kind === "again" && !ending.opened) this.#failedSockets = 0;
          closed(ending);
        },
      });
    }
    return openSocket(url, ["relay.v1", `relay.token.${this.#token}`], {
      message,
      opened: () => {
        this.#socketWorks = true;
      },
      closed: (ending) => {
        // Where a WebSocket has opened once, a later failure is the relay's absence and no reason to leave this wire.
        if (ending.kind === "again" && !this.#socketWorks) this.#failedSockets += 1;
        closed(ending);
      },
    });
  }

  #receive(/** @type {string} */ text) {
    const message = parse(text);
    if (message === null) return this.#connection.again("the relay sent what is no message");
    if (message.type !== "error") this.#connection.heard();
    if (message.type === "snapshot" || message.type === "resumed" || message.type === "ping") {
      this.#clockOffset_s = /** @type {{at: number}} */ (message).at - Date.now() / 1000;
    }
    if (leavesGap(this.#state, message)) {
      this.#cursor = null;
      return this.#connection.again("an event is missing");
    }
    const before = this.#state;
    this.#state = reduce(before, message);
    if (this.#state) this.#cursor = cursorOf(this.#state);
    if (message.type === "snapshot") this.#missing = 0;
    else if (message.type === "resumed") this.#missing = /** @type {{events: number}} */ (message).events;
    else if (this.#state !== before) this.#missing = Math.max(0, this.#missing - 1);
    if (message.type !== "error") this.#connection.settle(this.#missing ? "catching-up" : "live");
    this.#update(message);
    if (this.#state?.done) this.#connection.end();
  }

  #update(/** @type {Message|null} */ message) {
    if (this.#stopped) return;
    /** @type {RelayUpdate} */
    const detail = {
      state: this.#state,
      connection: this.#connection.state,
      reason: this.#connection.reason,
      message,
      clockOffset_s: this.#clockOffset_s,
    };
    this.dispatchEvent(new CustomEvent("update", { detail }));
  }
}

/** The place in a task's log that `state` stands for, as the server wants to hear it. */
export function cursorOf(/** @type {Snapshot} */ state) {
  return `${state.epoch}:${state.seq}`;
}

/**
 * @param {string} text
 * @returns {Message|null}
 */
export function parse(text) {
  try {
    const message = JSON.parse(text);
    return typeof message?.type === "string" ? message : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
