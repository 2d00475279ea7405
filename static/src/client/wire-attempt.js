// @ts-check
/** One wire of a line, with the connection that keeps it alive. */
import { Connection } from "./connection.js";

/** @typedef {import("./types.js").Message} Message */

/**
 * What a rung tells its line: a message; another state; a wire that was lost before anything came of it; one that the
 * relay refuses.
 *
 * @typedef {object} RungHandlers
 * @property {(message: Message, token?: string) => void} hear
 * @property {() => void} changed
 * @property {() => void} failed
 * @property {(ending: import("./types.js").Refused) => void} refused
 */

export class Rung {
  /** @type {import("./types.js").Wire|null} */
  #wire = null;
  #connection;

  /**
   * @param {import("./types.js").WireName} name
   * @param {import("./types.js").OpenWire} open
   * @param {Omit<import("./types.js").WireParts, "hear"|"closed">} parts
   * @param {RungHandlers} handlers
   */
  constructor(name, open, parts, { hear, changed, failed, refused }) {
    this.name = name;
    this.#connection = new Connection({
      dial: (closed) => {
        this.#wire = open({
          ...parts,
          closed,
          hear: (message, token) => {
            this.#connection.heard();
            this.#connection.settle("live");
            hear(message, token);
          },
        });
        return this.#wire;
      },
      changed,
      lost: ({ reached }) => reached || failed(),
      refused,
    });
  }

  get state() {
    return this.#connection.state;
  }

  get reason() {
    return this.#connection.reason;
  }

  start() {
    this.#connection.start();
  }

  stop() {
    this.#connection.stop();
  }

  resync() {
    this.#connection.resync();
  }

  /** Dial now where it would have been tried again later. */
  hurry() {
    if (this.#connection.isWaiting) this.#connection.resync();
  }

  cut(/** @type {string} */ reason) {
    this.#connection.again(reason);
  }

  ask(/** @type {string} */ key) {
    if (!this.#connection.isWaiting) this.#wire?.ask(key);
  }

  drop(/** @type {string} */ key) {
    if (!this.#connection.isWaiting) this.#wire?.drop(key);
  }

  renew(/** @type {string} */ key) {
    if (!this.#connection.isWaiting) this.#wire?.renew(key);
  }
}
