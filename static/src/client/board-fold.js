// @ts-check
/**
 * Folds the messages about the tasks of a board. Pure.
 *
 * A board is sent without logs and appends, so `seq` has gaps: an event may come from any later position, and the
 * states have neither log nor segments.
 */
import { isEvent, reduce } from "./reducer.js";

/** @import { Message, RelayEvent, Snapshot } from "../../relay.js" */

export class BoardFold {
  #tag;
  /** @type {Map<string, Snapshot>} */
  #states = new Map();

  /** @param {string|null} tag the tag of the tasks; null accepts every task */
  constructor(tag) {
    this.#tag = tag;
  }

  /**
   * Apply the next message, which may be about a task with another tag.
   *
   * @param {Message} message
   * @returns {Snapshot|null} the state that is newer now; null if there is none
   */
  apply(message) {
    let state = null;
    if (message.type === "deleted") this.#states.delete(message.task);
    else if (message.type === "snapshot") state = this.#fromSnapshot(message.task);
    else if (isEvent(message)) state = this.#afterEvent(message);
    if (state) this.#states.set(state.id, state);
    return state;
  }

  #fromSnapshot(/** @type {Snapshot} */ task) {
    if (this.#tag !== null && !task.tags.includes(this.#tag)) return null;
    const known = this.#states.get(task.id);
    return known && known.epoch === task.epoch && known.seq > task.seq ? null : task;
  }

  #afterEvent(/** @type {RelayEvent} */ event) {
    const known = this.#states.get(event.task);
    return known && known.seq < event.seq ? reduce({ ...known, seq: event.seq - 1 }, event) : null;
  }
}
