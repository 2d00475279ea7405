// @ts-check
/** Follows all tasks of a tag, or of the relay, across every loss of connection. Their states lack log and segments. */
import { baseUrl } from "./base.js";
import { BoardFold } from "./board-fold.js";
import { Subscription } from "./subscription.js";
import { keyOf, messageKey } from "./topic.js";

/** @import { Credentials, Message, Snapshot } from "../../relay.js" */

/** @typedef {{tag: string}|{all: true}} BoardTopic */

export class BoardClient {
  #topic;
  #fold;
  #onUpdate;
  #stopped = false;

  /**
   * @param {object} options
   * @param {BoardTopic} options.topic
   * @param {Credentials} options.credentials a token for the tag, or an API key; for all tasks an API key
   * @param {string} options.base
   * @param {readonly Snapshot[]} options.states of tasks that were read before, perhaps not of this topic
   * @param {(state: Snapshot|null, message: Message|null) => void} options.onUpdate called with the task that is newer
   *   now, and with the message; both are null if only the connection changed
   */
  constructor({ topic, credentials, base, states, onUpdate }) {
    this.#topic = topic;
    this.#onUpdate = onUpdate;
    this.#fold = new BoardFold("tag" in topic ? topic.tag : null);
    for (const task of states) this.#fold.apply({ type: "snapshot", task });
    this.subscription = new Subscription({
      ...credentials,
      base: baseUrl(base),
      topic,
      cursor: () => null,
      known: () => this.#fold.known,
      onMessage: (message) => this.#receive(message),
      onChange: () => this.#update(null, null),
    });
    queueMicrotask(() => this.subscription.start());
  }

  stop() {
    this.#stopped = true;
    this.subscription.stop();
  }

  resync() {
    this.subscription.resync();
  }

  #receive(/** @type {Message} */ message) {
    const state = this.#fold.apply(message);
    const isListed = message.type === "listed" && messageKey(message) === keyOf(this.#topic);
    if (state || isListed) this.subscription.markSynced("live");
    const isOther = message.type === "ping" || message.type === "deleted";
    if (state || isListed || isOther) this.#update(state, message);
  }

  #update(/** @type {Snapshot|null} */ state, /** @type {Message|null} */ message) {
    if (!this.#stopped) this.#onUpdate(state, message);
  }
}
