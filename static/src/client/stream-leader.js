// @ts-check
/**
 * The stream of the tab that leads: follows what all tabs want, and passes on what comes.
 *
 * @typedef {import("./types.js").Entry} Entry
 * @typedef {import("./types.js").Message} Message
 */

import { cursorOf, earliest, placeOf } from "./message.js";
import { isEvent } from "./reducer.js";
import { openStreamWire } from "./stream-wire.js";
import { subjectOf } from "./topic.js";

export class StreamLeader {
  /** @type {Map<string, Map<string, Entry>>} by tab and key */
  #wants = new Map();
  /** @type {Map<string, string|null>} how far each key has been told to all who want it */
  #places = new Map();
  #tell;
  #stream;

  /**
   * @param {object} parts
   * @param {URL} parts.base
   * @param {(message: Message, token?: string, to?: string) => void} parts.tell `to` is the one tab that it is for
   * @param {(ending: import("./types.js").Ending) => void} parts.closed
   */
  constructor({ base, tell, closed }) {
    this.#tell = tell;
    this.#stream = openStreamWire({
      base,
      entries: () => this.#entries(),
      ready: () => Promise.resolve(),
      hear: (message, token) => this.#hear(message, token),
      closed,
    });
  }

  /**
   * Take in what `tab` wants, and from where it wants to go on. Where others are further, they hear some things again.
   *
   * @param {string} tab
   * @param {Entry[]} entries
   * @returns {boolean} whether the tab is a new one
   */
  want(tab, entries) {
    const isNew = !this.#wants.has(tab);
    const wanted = this.#wants.get(tab) ?? new Map();
    this.#wants.set(tab, wanted);
    for (const entry of entries) {
      const { key, cursor } = entry;
      wanted.set(key, entry);
      const place = this.#places.get(key);
      this.#places.set(key, place === undefined ? cursor : earliest([place, cursor]));
      this.#stream.ask(key);
    }
    return isNew;
  }

  /**
   * @param {string} tab
   * @param {string[]} keys
   */
  drop(tab, keys) {
    const wanted = this.#wants.get(tab);
    for (const key of keys) {
      if (wanted?.delete(key) && !this.#holders(key).length) this.#places.delete(key);
      this.#stream.drop(key);
    }
  }

  knows(/** @type {string} */ tab) {
    return this.#wants.has(tab);
  }

  /** `tab` is gone. */
  forget(/** @type {string} */ tab) {
    this.drop(tab, [...(this.#wants.get(tab)?.keys() ?? [])]);
    this.#wants.delete(tab);
  }

  close() {
    this.#stream.close();
  }

  #holders(/** @type {string} */ key) {
    return [...this.#wants].filter(([, wanted]) => wanted.has(key)).map(([tab]) => tab);
  }

  /** @returns {Entry[]} one for each key, with the token of the first tab that wants it */
  #entries() {
    /** @type {Map<string, Entry>} */
    const entries = new Map();
    for (const wanted of this.#wants.values()) {
      for (const [key, entry] of wanted) {
        if (!entries.has(key)) entries.set(key, { ...entry, cursor: this.#places.get(key) ?? null });
      }
    }
    return [...entries.values()];
  }

  #hear(/** @type {Message} */ message, /** @type {string|undefined} */ token) {
    const key = subjectOf(message);
    if (message.type === "error" && key !== null) {
      // It is about one token: the tabs that brought it hear of it, and the others go on with theirs.
      for (const tab of this.#holders(key)) {
        if (this.#wants.get(tab)?.get(key)?.token !== token) continue;
        this.drop(tab, [key]);
        this.#tell(message, token, tab);
      }
      return;
    }
    if (message.type === "snapshot" && key !== null) {
      const { task } = /** @type {import("./types.js").SnapshotMessage} */ (message);
      if (this.#places.has(key)) this.#places.set(key, cursorOf(task));
    } else if (isEvent(message) && key !== null) {
      const place = placeOf(this.#places.get(key) ?? null);
      // A tab that has just joined is perhaps not as far: then the stream is about to begin anew where that one is.
      if (place && message.seq === place.seq + 1)
        this.#places.set(key, cursorOf({ epoch: place.epoch, seq: message.seq }));
    }
    this.#tell(message);
  }
}
