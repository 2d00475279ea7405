// @ts-check
/**
 * One task as it was told: its state, the place in its log, and how much of what was missed is still to come. Pure.
 *
 * @typedef {import("./types.js").Snapshot} Snapshot
 * @typedef {import("./types.js").Message} Message
 */
import { cursorOf, placeOf } from "./message.js";
import { isEvent, reduce } from "./reducer.js";

export class Fold {
  #state;
  /** @type {{epoch: string, seq: number}|null} null as long as only the whole state helps */
  #place;
  #missing = 0;
  #ended;

  /**
   * @param {Snapshot|null} state to go on from
   * @param {string|null} [cursor] where to go on from for who keeps the state elsewhere
   */
  constructor(state, cursor = null) {
    this.#state = state;
    this.#place = state ? { epoch: state.epoch, seq: state.seq } : placeOf(cursor);
    this.#ended = state?.done != null;
  }

  get state() {
    return this.#state;
  }

  /** Where to go on from; null asks for the whole state. */
  get cursor() {
    return this.#place && cursorOf(this.#place);
  }

  /** How many events a resume has announced that have not come yet. */
  get missing() {
    return this.#missing;
  }

  /** Nothing more will be said of this task. */
  get ended() {
    return this.#ended;
  }

  /**
   * Take the next message.
   *
   * @param {Message} message
   * @returns {"placed"|"nothing"|"gap"} `placed`: the fold knows where it is; `gap`: it needs the whole state
   */
  take(message) {
    if (message.type === "snapshot") {
      const { task } = /** @type {import("./types.js").SnapshotMessage} */ (message);
      // One wire may bring an older state than another one did: the answer to a plain call is slower than a socket.
      if (task.epoch === this.#place?.epoch && task.seq < this.#place.seq) return "nothing";
      this.#state = reduce(this.#state, message);
      this.#place = { epoch: task.epoch, seq: task.seq };
      this.#missing = 0;
      this.#ended = task.done !== null;
      return "placed";
    }
    if (this.#place === null) return "nothing"; // what comes before the state that was asked for means nothing
    if (message.type === "resumed") {
      const { seq, events } = /** @type {import("./types.js").ResumedMessage} */ (message);
      if (seq > this.#place.seq) return this.#lose();
      this.#missing = Math.max(0, seq + events - this.#place.seq); // another wire may have brought some of them
      return "placed";
    }
    if (!isEvent(message) || message.seq <= this.#place.seq) return "nothing";
    if (message.seq > this.#place.seq + 1) return this.#lose();
    this.#state = this.#state && reduce(this.#state, message);
    this.#place = { ...this.#place, seq: message.seq };
    this.#missing = Math.max(0, this.#missing - 1);
    this.#ended = message.type === "done";
    return "placed";
  }

  /** @returns {"gap"} */
  #lose() {
    this.#place = null;
    return "gap";
  }
}
