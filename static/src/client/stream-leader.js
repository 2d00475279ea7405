// @ts-check
/** The event stream of the leading tab: combines the subscriptions of all tabs and forwards the messages. */
import { earliestCursor, formatCursor, parseCursor } from "./message.js";
import { isEvent } from "./reducer.js";
import { openStreamWire } from "./stream-wire.js";
import { messageKey } from "./topic.js";

/** @import { Message } from "../../relay.js" */
/** @import { CloseReason, SubscribeRequest } from "./wire-types.js" */

export class StreamLeader {
  /** @type {Map<string, Map<string, SubscribeRequest>>} by tab and key */
  #requests = new Map();
  /** @type {Map<string, string|null>} for each key, the cursor that all its tabs have reached */
  #cursors = new Map();
  #forward;
  #stream;

  /**
   * @param {object} options
   * @param {URL} options.base
   * @param {(message: Message, token?: string, to?: string) => void} options.forward `to` names a single tab
   * @param {(reason: CloseReason) => void} options.onClose
   */
  constructor({ base, forward, onClose }) {
    this.#forward = forward;
    this.#stream = openStreamWire({
      base,
      requests: () => this.#combined(),
      ready: () => Promise.resolve(),
      onMessage: (message, token) => this.#receive(message, token),
      onClose,
    });
  }

  /**
   * Add the subscriptions of a tab. Tabs that are further ahead receive some events again.
   *
   * @param {string} tab
   * @param {SubscribeRequest[]} requests
   * @returns {boolean} whether the tab is new
   */
  subscribe(tab, requests) {
    const isNew = !this.#requests.has(tab);
    const ofTab = this.#requests.get(tab) ?? new Map();
    this.#requests.set(tab, ofTab);
    for (const request of requests) {
      const { key, cursor } = request;
      ofTab.set(key, request);
      const reached = this.#cursors.get(key);
      this.#cursors.set(key, reached === undefined ? cursor : earliestCursor([reached, cursor]));
      this.#stream.subscribe(key);
    }
    return isNew;
  }

  /**
   * @param {string} tab
   * @param {string[]} keys
   */
  unsubscribe(tab, keys) {
    const ofTab = this.#requests.get(tab);
    for (const key of keys) {
      if (ofTab?.delete(key) && !this.#tabsWith(key).length) this.#cursors.delete(key);
      this.#stream.unsubscribe(key);
    }
  }

  hasTab(/** @type {string} */ tab) {
    return this.#requests.has(tab);
  }

  removeTab(/** @type {string} */ tab) {
    this.unsubscribe(tab, [...(this.#requests.get(tab)?.keys() ?? [])]);
    this.#requests.delete(tab);
  }

  close() {
    this.#stream.close();
  }

  #tabsWith(/** @type {string} */ key) {
    return [...this.#requests].filter(([, ofTab]) => ofTab.has(key)).map(([tab]) => tab);
  }

  /** @returns {SubscribeRequest[]} one for each key, with the token of the first tab that has it */
  #combined() {
    /** @type {Map<string, SubscribeRequest>} */
    const combined = new Map();
    for (const ofTab of this.#requests.values()) {
      for (const [key, request] of ofTab) {
        if (!combined.has(key)) combined.set(key, { ...request, cursor: this.#cursors.get(key) ?? null });
      }
    }
    return [...combined.values()];
  }

  #receive(/** @type {Message} */ message, /** @type {string|undefined} */ token) {
    const key = messageKey(message);
    if (message.type === "error" && key !== null) {
      // The error is about one token: it goes to the tabs that use it, and the others continue with theirs.
      for (const tab of this.#tabsWith(key)) {
        if (this.#requests.get(tab)?.get(key)?.token !== token) continue;
        this.unsubscribe(tab, [key]);
        this.#forward(message, token, tab);
      }
      return;
    }
    if (message.type === "snapshot" && key !== null) {
      if (this.#cursors.has(key)) this.#cursors.set(key, formatCursor(message.task));
    } else if (isEvent(message) && key !== null) {
      const position = parseCursor(this.#cursors.get(key) ?? null);
      // If a tab has just joined from an earlier cursor, the stream is about to restart from there.
      if (position && message.seq === position.seq + 1) {
        this.#cursors.set(key, formatCursor({ epoch: position.epoch, seq: message.seq }));
      }
    }
    this.#forward(message);
  }
}
