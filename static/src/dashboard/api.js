// @ts-check
/** The relay's management API, as the dashboard uses it. */
import { DEFAULT_BASE } from "../client/base.js";
import { callJson } from "../client/json-call.js";

/** @import { Output, Snapshot } from "../../relay.js" */
/** @import { Links, StartBody, Started } from "../client/start-call.js" */
/** @import { Model, Usual } from "../form/model.js" */
/** @import { Stats } from "./stats.js" */
/** @import { Counts } from "./task-counts.js" */
/**
 * @typedef {object} Description what only a list has
 * @property {string|null} [prompt]
 * @property {Output|null} [first_output]
 */
/** @typedef {Snapshot & Description} ListedTask */
/** @typedef {"queued"|"pending"|"sending"|"delivered"|"failed"|"stopped"} WebhookStatus */
/**
 * @typedef {object} Webhook a webhook about a task, and what has become of it
 * @property {string} id
 * @property {string} type
 * @property {string} task
 * @property {string} url
 * @property {WebhookStatus} status
 * @property {number} attempts
 * @property {number} created_at
 * @property {number|null} tried_at
 * @property {string|null} answer
 * @property {number|null} next_in_s
 */

export class Api {
  #key;
  #onDate;

  /**
   * @param {string} key
   * @param {(date: string|null) => void} [onDate] called with the `Date` header of each response
   */
  constructor(key, onDate) {
    this.#key = key;
    this.#onDate = onDate;
  }

  /**
   * List tasks, newest first.
   *
   * @param {URLSearchParams} query
   * @returns {Promise<{tasks: ListedTask[], next: string|null, node?: string}>}
   */
  list(query) {
    return this.#call("GET", `v1/tasks?${query}`);
  }

  /**
   * Count the tasks in each state.
   *
   * @param {URLSearchParams} query as for `list`
   * @returns {Promise<Counts>}
   */
  counts(query) {
    return this.#call("GET", `v1/tasks/counts?${query}`);
  }

  /** @returns {Promise<{input: Record<string, unknown>, files: object[]}>} */
  input(/** @type {string} */ task) {
    return this.#call("GET", `v1/tasks/${encodeURIComponent(task)}/input`);
  }

  /** @returns {Promise<{outputs: {copy: object|null}[]}>} */
  outputs(/** @type {string} */ task) {
    return this.#call("GET", `v1/tasks/${encodeURIComponent(task)}/outputs`);
  }

  /** Ask the platform to stop a task. @returns {Promise<Snapshot>} */
  cancel(/** @type {string} */ task) {
    return this.#call("POST", `v1/tasks/${encodeURIComponent(task)}/cancel`);
  }

  /** @returns {Promise<Snapshot>} */
  task(/** @type {string} */ id) {
    return this.#call("GET", `v1/tasks/${encodeURIComponent(id)}`);
  }

  /** @returns {Promise<{models: Model[]}>} */
  models() {
    return this.#call("GET", "v1/models");
  }

  /**
   * Describe a model, which need not be in the catalogue.
   *
   * @param {{model: string, provider?: string}} name
   * @returns {Promise<Model>}
   */
  model({ model, provider }) {
    const path = model.split("/").map(encodeURIComponent).join("/");
    return this.#call("GET", `v1/models/${path}${provider ? `?provider=${encodeURIComponent(provider)}` : ""}`);
  }

  /** @returns {Promise<{usual: Usual|null}>} what earlier runs with such an input took and cost */
  estimate(/** @type {StartBody} */ { model, provider, input }) {
    return this.#call("POST", "v1/estimate", { model, provider, input });
  }

  /**
   * Report on the tasks that have ended, by model.
   *
   * @param {number} days including today
   * @returns {Promise<Stats>}
   */
  stats(days) {
    return this.#call("GET", `v1/stats?days=${days}`);
  }

  /**
   * List webhooks, newest first.
   *
   * @param {URLSearchParams} query
   * @returns {Promise<{webhooks: Webhook[], next: string|null}>}
   */
  webhooks(query) {
    return this.#call("GET", `v1/webhooks?${query}`);
  }

  /** @returns {Promise<Webhook>} */
  sendAgain(/** @type {string} */ webhook) {
    return this.#call("POST", `v1/webhooks/${encodeURIComponent(webhook)}/again`);
  }

  /**
   * Run a task again. Repeating the call with the same `idempotencyKey` does not start another one.
   *
   * @param {string} task
   * @param {string} idempotencyKey
   * @returns {Promise<Started>}
   */
  again(task, idempotencyKey) {
    const headers = { "Idempotency-Key": idempotencyKey };
    return this.#call("POST", `v1/tasks/${encodeURIComponent(task)}/again`, {}, headers);
  }

  /**
   * Delete a task that has ended.
   *
   * @param {string} task
   * @returns {Promise<null>}
   */
  delete(task) {
    return this.#call("DELETE", `v1/tasks/${encodeURIComponent(task)}`);
  }

  /**
   * Create a viewer token.
   *
   * @param {string} task
   * @param {string} scope space-separated: view, cancel, input
   * @param {number} [ttl_s] its lifetime; defaults to the relay's setting
   * @returns {Promise<{token: string, expires_at: number, links: Links}>}
   */
  createToken(task, scope, ttl_s) {
    return this.#call("POST", `v1/tasks/${encodeURIComponent(task)}/tokens`, { scope, ttl: ttl_s });
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   * @param {Record<string, string>} [headers]
   */
  #call(method, path, body, headers) {
    const onResponse = (/** @type {Response} */ response) => this.#onDate?.(response.headers.get("Date"));
    return callJson(new URL(path, DEFAULT_BASE), { method, token: this.#key, body, headers, onResponse });
  }
}

/**
 * Exchange the one-time code of a sign-in link (`/#code=…`) for the API key.
 *
 * @param {string} code
 * @returns {Promise<string>}
 */
export async function exchangeCode(code) {
  const url = new URL("v1/login", DEFAULT_BASE);
  return (await callJson(url, { method: "POST", body: { code }, credentials: "omit" })).key;
}
