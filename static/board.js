// @ts-check
/**
 * Follows many tasks over one WebSocket, through every loss of connection. No DOM.
 *
 * Each subscription brings its own token, and a fault ends only that one. The socket stands while there is something
 * to follow: the server closes one that subscribes to nothing.
 *
 * @typedef {import("./types.js").Snapshot} Snapshot
 * @typedef {import("./types.js").Message} Message
 */
import { cursorOf, DEFAULT_BASE, parse } from "./client.js";
import { Connection } from "./connection.js";
import { leavesGap, reduce } from "./reducer.js";
import { openSocket } from "./socket.js";

/**
 * @typedef {object} BoardUpdate
 * @property {string|null} task whose state it is; null where only the connection has changed
 * @property {Snapshot|null} state
 * @property {Message|null} message `error` where a subscription has ended with a fault
 * @property {import("./types.js").ConnectionState} connection
 * @property {string} reason
 */

/** Fires `update`, a CustomEvent whose `detail` is a `BoardUpdate`. */
export class RelayBoard extends EventTarget {
  #url;
  /** @type {Map<string, string>} the token of each task that is followed */
  #tokens = new Map();
  /** @type {Map<string, Snapshot>} */
  #states = new Map();
  /** @type {Set<string>} tasks with a gap, whose events mean nothing until their snapshot comes */
  #lacking = new Set();
  /** @type {Connection|null} */
  #connection = null;
  #isOpen = false;

  /** @param {{base?: string}} [options] where the relay is; by default where this module came from */
  constructor({ base = DEFAULT_BASE } = {}) {
    super();
    this.#url = new URL("v1/ws", new URL(base.endsWith("/") ? base : `${base}/`, globalThis.location?.href));
  }

  /** The state of every task seen so far, those that have ended too. */
  get states() {
    return /** @type {ReadonlyMap<string, Snapshot>} */ (this.#states);
  }

  /**
   * Follow `task`, from `state` on where one is at hand. A snapshot from a list will do, although it has no log.
   *
   * @param {string} task
   * @param {string} token
   * @param {Snapshot|null} [state]
   */
  subscribe(task, token, state = null) {
    if (state && !this.#states.has(task)) this.#states.set(task, state);
    if (this.#tokens.has(task) || this.#states.get(task)?.done) return;
    this.#tokens.set(task, token);
    if (this.#isOpen) this.#ask(task);
    else if (!this.#connection) this.#connect();
  }

  /** Leave `task`. */
  unsubscribe(/** @type {string} */ task) {
    if (this.#isOpen && this.#tokens.has(task)) this.#connection?.send(JSON.stringify({ type: "unsubscribe", task }));
    this.#drop(task);
  }

  /** Leave everything. */
  stop() {
    this.#tokens.clear();
    this.#connection?.stop();
    this.#connection = null;
    this.#isOpen = false;
  }

  #connect() {
    this.#connection = new Connection({
      dial: (closed) => {
        this.#isOpen = false;
        return openSocket(this.#url, ["relay.v1"], {
          opened: () => {
            this.#isOpen = true;
            for (const task of this.#tokens.keys()) this.#ask(task);
          },
          message: (text) => this.#receive(text),
          closed,
        });
      },
      changed: () => this.#update(null, null),
    });
    this.#connection.start();
  }

  #ask(/** @type {string} */ task) {
    const state = this.#states.get(task);
    const cursor = state && !this.#lacking.has(task) ? cursorOf(state) : undefined;
    this.#connection?.send(JSON.stringify({ type: "subscribe", task, token: this.#tokens.get(task), cursor }));
  }

  #receive(/** @type {string} */ text) {
    const message = parse(text);
    if (message === null) return this.#connection?.again("the relay sent what is no message");
    this.#connection?.heard();
    this.#connection?.settle("live");
    const task = taskOf(message);
    if (task === null || !this.#tokens.has(task)) return;
    if (message.type === "snapshot") this.#lacking.delete(task);
    else if (this.#lacking.has(task) && message.type !== "error") return;
    const before = this.#states.get(task) ?? null;
    if (leavesGap(before, message)) return this.#askAnew(task);
    const state = reduce(before, message);
    if (state) this.#states.set(task, state);
    this.#update(task, message);
    if (message.type === "error" || state?.done) this.#drop(task);
  }

  #askAnew(/** @type {string} */ task) {
    this.#lacking.add(task);
    this.#connection?.send(JSON.stringify({ type: "unsubscribe", task }));
    this.#ask(task);
  }

  #drop(/** @type {string} */ task) {
    this.#tokens.delete(task);
    this.#lacking.delete(task);
    if (this.#tokens.size === 0) this.stop();
  }

  #update(/** @type {string|null} */ task, /** @type {Message|null} */ message) {
    /** @type {BoardUpdate} */
    const detail = {
      task,
      state: task === null ? null : (this.#states.get(task) ?? null),
      message,
      connection: this.#connection?.state ?? "ended",
      reason: this.#connection?.reason ?? "",
    };
    this.dispatchEvent(new CustomEvent("update", { detail }));
  }
}

/**
 * @param {Message} message
 * @returns {string|null}
 */
function taskOf(message) {
  const { task } = /** @type {{task?: string|Snapshot}} */ (message);
  if (typeof task === "string") return task;
  return task?.id ?? null;
}
