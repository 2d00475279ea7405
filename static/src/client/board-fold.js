// @ts-check
/**
 * Folds the messages about the tasks of a board. Pure.
 *
 * A board is sent without logs and appends, so `seq` has gaps: an event may come from any later position, and the
 * states have neither log nor segments.
 */
import { formatCursor } from "./message.js";
import { isEvent, reduce } from "./reducer.js";

/** @import { Message, RelayEvent, Snapshot } from "../../relay.js" */

/** The relay lists this many tasks, so it need not know of more. */
const LISTED = 100;

export class BoardFold {
  #tag;
  /** @type {Map<string, Snapshot>} */
  #states = new Map();

  /** @param {string|null} tag the tag of the tasks; null accepts every task */
  constructor(tag) {
    this.#tag = tag;
  }

  /** The cursor of each task that the relay may list: it leaves out those that have not changed since. */
  get known() {
    const states = [...this.#states.values()].sort(byRank).slice(0, LISTED);
    return Object.fromEntries(states.map((state) => [state.id, formatCursor(state)]));
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

/** Sort as the relay lists tasks: those that have not ended first, then the newest. */
function byRank(/** @type {Snapshot} */ one, /** @type {Snapshot} */ other) {
  return Number(one.done !== null) - Number(other.done !== null) || other.created_at - one.created_at;
}
