// @ts-check
/** One wire of a fallback connection, together with the connection that reopens it. */
import { Connection } from "./connection.js";

/** @import { Message, WireName } from "../../relay.js" */
/** @import { OpenWire, Refusal, Wire, WireOptions } from "./wire-types.js" */

/**
 * @typedef {object} AttemptHandlers
 * @property {(message: Message, token?: string) => void} onMessage
 * @property {() => void} onChange the state has changed
 * @property {() => void} onFail the wire was lost before anything arrived on it
 * @property {(refusal: Refusal) => void} onRefuse
 */

export class WireAttempt {
  /** @type {Wire|null} */
  #wire = null;
  #connection;

  /**
   * @param {WireName} name
   * @param {OpenWire} openWire
   * @param {Omit<WireOptions, "onMessage"|"onClose">} options
   * @param {AttemptHandlers} handlers
   */
  constructor(name, openWire, options, { onMessage, onChange, onFail, onRefuse }) {
    this.name = name;
    this.#connection = new Connection({
      open: (onClose) => {
        this.#wire = openWire({
          ...options,
          onClose,
          onMessage: (message, token) => {
            this.#connection.markAlive();
            onMessage(message, token);
          },
        });
        return this.#wire;
      },
      onChange,
      onLost: ({ reached }) => reached || onFail(),
      onRefuse,
    });
  }

  get state() {
    return this.#connection.state;
  }

  get reason() {
    return this.#connection.reason;
  }

  get retryAt() {
    return this.#connection.retryAt;
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

  /** Reconnect now if the next attempt is scheduled for later. */
  retryNow() {
    if (this.#connection.isWaiting) this.#connection.resync();
  }

  /** Drop the wire and reconnect after a back-off. */
  drop(/** @type {string} */ reason) {
    this.#connection.drop(reason);
  }

  subscribe(/** @type {string} */ key) {
    if (!this.#connection.isWaiting) this.#wire?.subscribe(key);
  }

  unsubscribe(/** @type {string} */ key) {
    if (!this.#connection.isWaiting) this.#wire?.unsubscribe(key);
  }

  renew(/** @type {string} */ key) {
    if (!this.#connection.isWaiting) this.#wire?.renew(key);
  }
}
