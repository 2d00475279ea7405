// @ts-check
/**
 * The tasks of one tag, or of the relay, as a table of states. Pure.
 *
 * A tag is told without logs and appends, so its events skip numbers: here an event may come from any later place, and
 * a row has neither log nor segments.
 *
 * @typedef {import("./types.js").Snapshot} Snapshot
 * @typedef {import("./types.js").Message} Message
 */
import { isEvent, reduce } from "./reducer.js";

export class Rows {
  #tag;
  /** @type {Map<string, Snapshot>} */
  #states = new Map();

  constructor(/** @type {string|null} */ tag) {
    this.#tag = tag; // null takes every task
  }

  /**
   * Take the next message, which may be about another tag's task.
   *
   * @param {Message} message
   * @returns {Snapshot|null} the state that has become newer, null where none has
   */
  take(message) {
    const state = message.type === "snapshot" ? this.#begun(message) : this.#moved(message);
    if (state) this.#states.set(state.id, state);
    return state;
  }

  #begun(/** @type {Message} */ message) {
    const { task } = /** @type {import("./types.js").SnapshotMessage} */ (message);
    if (this.#tag !== null && !task.tags.includes(this.#tag)) return null;
    const known = this.#states.get(task.id);
    return known && known.epoch === task.epoch && known.seq > task.seq ? null : task;
  }

  #moved(/** @type {Message} */ message) {
    if (!isEvent(message)) return null;
    const known = this.#states.get(message.task);
    return known && known.seq < message.seq ? reduce({ ...known, seq: message.seq - 1 }, message) : null;
  }
}
