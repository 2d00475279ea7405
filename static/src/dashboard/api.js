// @ts-check
/** The management API, as the dashboard uses it: one key, JSON in and out, refusals as `Problem`. */
import { DEFAULT_BASE } from "../client/base.js";
import { Problem, readProblem } from "../client/problem.js";

/** @typedef {import("../client/types.js").Snapshot} Snapshot */
/** @typedef {import("../client/types.js").Model} Model */
/** @typedef {{self: string, events: string, ws: string, view: string, embed: string}} Links */

export class Api {
  #key;
  #heard;

  /**
   * @param {string} key
   * @param {(date: string|null) => void} [heard] called with the `Date` header of each response
   */
  constructor(key, heard) {
    this.#key = key;
    this.#heard = heard;
  }

  /**
   * @param {URLSearchParams} query
   * @returns {Promise<{tasks: Snapshot[], next: string|null}>} newest first
   */
  list(query) {
    return this.#call("GET", `v1/tasks?${query}`);
  }

  /** @returns {Promise<Snapshot>} */
  task(/** @type {string} */ id) {
    return this.#call("GET", `v1/tasks/${encodeURIComponent(id)}`);
  }

  /** @returns {Promise<{models: Model[]}>} the catalogue */
  models() {
    return this.#call("GET", "v1/models");
  }

  /**
   * Start a task. The same `idempotencyKey` with the same body never starts a second one.
   *
   * @param {{model: string, provider?: string, input: Record<string, unknown>}} body
   * @param {string} idempotencyKey
   * @returns {Promise<{task: Snapshot, token: string, links: Links}>}
   */
  start(body, idempotencyKey) {
    return this.#call("POST", "v1/tasks", body, { "Idempotency-Key": idempotencyKey });
  }

  /**
   * Mint a viewer token.
   *
   * @param {string} task
   * @returns {Promise<{token: string, expires_at: number, links: Links}>}
   */
  token(task) {
    return this.#call("POST", `v1/tasks/${encodeURIComponent(task)}/tokens`, {});
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   * @param {Record<string, string>} [more] headers
   */
  async #call(method, path, body, more = {}) {
    const headers = new Headers({ ...more, Accept: "application/json", Authorization: `Bearer ${this.#key}` });
    if (body) headers.set("Content-Type", "application/json");
    /** @type {Response} */
    let response;
    try {
      const url = new URL(path, DEFAULT_BASE);
      response = await fetch(url, { method, headers, body: body && JSON.stringify(body), cache: "no-store" });
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // what fetch throws at a lost network
      throw new Problem(0, "The relay cannot be reached");
    }
    this.#heard?.(response.headers.get("Date"));
    if (!response.ok) throw await readProblem(response);
    return response.json();
  }
}
