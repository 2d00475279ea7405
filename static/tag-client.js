// @ts-check
/**
 * Follows all tasks of one tag, by whichever way works, through every loss of connection. No DOM.
 *
 * Over WebSocket a tag is told its tasks' events without logs and appends; where that is blocked the list is polled.
 *
 * @typedef {import("./types.js").Snapshot} Snapshot
 * @typedef {import("./types.js").Message} Message
 */
import { baseUrl, DEFAULT_BASE } from "./base.js";
import { Rows } from "./rows.js";
import { Subscription } from "./subscription.js";

/**
 * @typedef {object} TagUpdate
 * @property {Snapshot|null} state the task that has become newer, without log and segments; null where none has
 * @property {boolean} listed the tasks that were there have all been told
 * @property {Message|null} message
 */

export class TagClient {
  #tag;
  #rows;
  #told;
  #listed = false;
  #stopped = false;

  /**
   * @param {object} options
   * @param {string} options.tag
   * @param {string} [options.token] a token of this tag, or an API key
   * @param {import("./types.js").GetToken} [options.getToken]
   * @param {string} [options.base]
   * @param {(update: TagUpdate) => void} options.told
   */
  constructor({ tag, token, getToken, base = DEFAULT_BASE, told }) {
    this.#tag = tag;
    this.#told = told;
    this.#rows = new Rows(tag);
    this.subscription = new Subscription({
      base: baseUrl(base),
      aim: { tag },
      token,
      getToken,
      cursor: () => null,
      hear: (message) => this.#receive(message),
      changed: () => this.#tell(null, null),
    });
    queueMicrotask(() => this.subscription.start());
  }

  stop() {
    this.#stopped = true;
    this.subscription.stop();
  }

  #receive(/** @type {Message} */ message) {
    const state = this.#rows.take(message);
    const isListed = message.type === "listed" && /** @type {{tag: string}} */ (message).tag === this.#tag;
    if (isListed) this.#listed = true;
    if (state || isListed) this.subscription.settle("live");
    if (state || isListed) this.#tell(state, message);
  }

  #tell(/** @type {Snapshot|null} */ state, /** @type {Message|null} */ message) {
    if (!this.#stopped) this.#told({ state, listed: this.#listed, message });
  }
}
