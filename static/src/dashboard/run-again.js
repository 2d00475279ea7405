// @ts-check
/** Runs tasks again. A run whose answer was lost is repeated under the same key, so that it is not started twice. */
import { newIdempotencyKey } from "../client/idempotency-key.js";

/** @import { Started } from "../client/start-call.js" */
/** @import { Api } from "./api.js" */

export class RunAgain {
  #api;
  /** @type {Map<string, string>} idempotency keys of attempts that have not succeeded, by task */
  #keys = new Map();

  constructor(/** @type {() => Api} */ api) {
    this.#api = api;
  }

  /** @returns {Promise<Started>} */
  async run(/** @type {string} */ task) {
    const key = this.#keys.get(task) ?? newIdempotencyKey();
    this.#keys.set(task, key);
    const started = await this.#api().again(task, key);
    this.#keys.delete(task);
    return started;
  }
}
