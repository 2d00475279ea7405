// @ts-check
/**
 * Follows all tasks of one tag, or of the relay, by whichever wire works, through every loss of connection. No DOM.
 *
 * Their states come without log and segments.
 *
 * @typedef {import("./types.js").Snapshot} Snapshot
 * @typedef {import("./types.js").Message} Message
 */

import { baseUrl, DEFAULT_BASE } from "./base.js";
import { Rows } from "./board-fold.js";
import { Subscription } from "./subscription.js";
import { keyOf, subjectOf } from "./topic.js";

/**
 * @typedef {object} TagUpdate
 * @property {Snapshot|null} state the task that has become newer, without log and segments; null where none has
 * @property {boolean} listed the tasks that were there have all been told
 * @property {Message|null} message
 */

export class TagClient {
  #aim;
  #rows;
  #told;
  #listed = false;
  #stopped = false;

  /**
   * @param {object} options
   * @param {{tag: string}|{all: true}} options.aim
   * @param {string} [options.token] a token of this tag, or an API key; for all tasks an API key
   * @param {import("./types.js").GetToken} [options.getToken]
   * @param {string} [options.base]
   * @param {(update: TagUpdate) => void} options.told
   */
  constructor({ aim, token, getToken, base = DEFAULT_BASE, told }) {
    this.#aim = aim;
    this.#told = told;
    this.#rows = new Rows("tag" in aim ? aim.tag : null);
    this.subscription = new Subscription({
      base: baseUrl(base),
      aim,
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

  resync() {
    this.subscription.resync();
  }

  #receive(/** @type {Message} */ message) {
    const state = this.#rows.take(message);
    const isListed = message.type === "listed" && subjectOf(message) === keyOf(this.#aim);
    if (isListed) this.#listed = true;
    if (state || isListed) this.subscription.settle("live");
    if (state || isListed || message.type === "ping") this.#tell(state, message);
  }

  #tell(/** @type {Snapshot|null} */ state, /** @type {Message|null} */ message) {
    if (!this.#stopped) this.#told({ state, listed: this.#listed, message });
  }
}
