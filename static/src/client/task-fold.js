// @ts-check
/** Folds the messages about one task: its state, the position in its log, and how many missed events are pending. Pure. */
import { formatCursor, parseCursor } from "./message.js";
import { isEvent, reduce } from "./reducer.js";

/** @import { Message, Snapshot } from "../../relay.js" */
/** @import { Position } from "./message.js" */

export class TaskFold {
  #state;
  /** @type {Position|null} null while only the whole state helps */
  #position;
  #missing = 0;
  #ended;

  /**
   * @param {Snapshot|null} state the state to resume from
   * @param {string|null} [cursor] the cursor to resume from, if the caller keeps the state
   */
  constructor(state, cursor = null) {
    this.#state = state;
    this.#position = state ? { epoch: state.epoch, seq: state.seq } : parseCursor(cursor);
    this.#ended = state?.done != null;
  }

  get state() {
    return this.#state;
  }

  /** The cursor to resume from; null asks for the whole state. */
  get cursor() {
    return this.#position && formatCursor(this.#position);
  }

  /** How many events announced by `resumed` are still to come. */
  get missing() {
    return this.#missing;
  }

  /** Whether the task is done, so that no more messages follow. */
  get ended() {
    return this.#ended;
  }

  /**
   * Apply the next message.
   *
   * @param {Message} message
   * @returns {"applied"|"ignored"|"gap"} `gap`: events are missing, so the whole state is needed
   */
  apply(message) {
    if (message.type === "snapshot") {
      const { task } = message;
      // A plain request is slower than a socket, so it may bring an older state than another wire did.
      if (task.epoch === this.#position?.epoch && task.seq < this.#position.seq) return "ignored";
      this.#state = reduce(this.#state, message);
      this.#position = { epoch: task.epoch, seq: task.seq };
      this.#missing = 0;
      this.#ended = task.done !== null;
      return "applied";
    }
    if (this.#position === null) return "ignored"; // events that precede the requested state
    if (message.type === "resumed") {
      const { seq, events } = message;
      if (seq > this.#position.seq) return this.#loseTrack();
      this.#missing = Math.max(0, seq + events - this.#position.seq); // another wire may have brought some of them
      return "applied";
    }
    if (!isEvent(message) || message.seq <= this.#position.seq) return "ignored";
    if (message.seq > this.#position.seq + 1) return this.#loseTrack();
    this.#state = this.#state && reduce(this.#state, message);
    this.#position = { ...this.#position, seq: message.seq };
    this.#missing = Math.max(0, this.#missing - 1);
    this.#ended = message.type === "done";
    return "applied";
  }

  /** @returns {"gap"} */
  #loseTrack() {
    this.#position = null;
    return "gap";
  }
}
