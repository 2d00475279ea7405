// @ts-check
/** One subscription's place on the socket that a page shares. */
import { SharedSocket } from "./shared-socket.js";

/** @typedef {import("./shared-socket.js").Member} Member */

/** @type {Map<string, SharedSocket>} */
const sockets = new Map();

export class SocketSeat {
  #socket;
  #member;

  /**
   * @param {object} parts
   * @param {URL} parts.base
   * @param {import("./types.js").Aim} parts.aim
   * @param {() => string|null} parts.cursor
   * @param {import("./credential.js").Credential} parts.credential
   * @param {import("./types.js").WayHandlers} parts.handlers
   */
  constructor({ base, aim, cursor, credential, handlers }) {
    this.#socket = socketOf(base, aim);
    this.#member = {
      aim,
      cursor,
      token: () => credential.get(),
      expire: () => credential.expire(),
      handlers,
    };
    this.#socket.join(this.#member);
  }

  get state() {
    return this.#socket.state;
  }

  get reason() {
    return this.#socket.reason;
  }

  stop() {
    this.#socket.leave(this.#member);
  }

  resync() {
    this.#socket.resync();
  }

  cut(/** @type {string} */ reason) {
    this.#socket.cut(reason);
  }

  askAnew() {
    this.#socket.askAnew(this.#member);
  }

  renew(/** @type {string} */ token) {
    this.#socket.renew(this.#member, token);
  }
}

/**
 * Tags have a socket apart: their tasks are told without logs, under the same names as whole tasks.
 *
 * @param {URL} base
 * @param {import("./types.js").Aim} aim
 */
function socketOf(base, aim) {
  const key = `${"tag" in aim ? "tags" : "tasks"} ${base.href}`;
  const socket = sockets.get(key) ?? new SharedSocket(base);
  sockets.set(key, socket);
  return socket;
}
