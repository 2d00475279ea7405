// @ts-check
/** Sends the start of a task, with or without files. Repeating a start whose response was lost does not run it twice. */
import { startWithFiles } from "../client/upload.js";

/** @import { Api, StartBody, Started } from "./api.js" */
/** @import { Attachment } from "../client/upload.js" */

export class StartRequest {
  #api;
  #key;
  #onProgress;
  #attempt = { content: "", idempotencyKey: "" };

  /**
   * @param {object} options
   * @param {() => Api} options.api
   * @param {() => string} options.key returns the API key
   * @param {(share: number) => void} options.onProgress called with the share of the files that has been sent
   */
  constructor({ api, key, onProgress }) {
    this.#api = api;
    this.#key = key;
    this.#onProgress = onProgress;
  }

  /**
   * @param {StartBody} body
   * @param {Attachment[]} attachments
   * @returns {Promise<Started>}
   */
  async send(body, attachments) {
    const files = attachments.map(({ part, file }) => [part, file.name, file.size, file.lastModified]);
    const idempotencyKey = this.#idempotencyKey(JSON.stringify([body, files]));
    const started = await (attachments.length
      ? startWithFiles(this.#key(), body, attachments, { idempotencyKey, onProgress: this.#onProgress })
      : this.#api().start(body, idempotencyKey));
    this.#attempt = { content: "", idempotencyKey: "" };
    return started;
  }

  /** The same content has the same key until it was started, so that no billable run is started twice. */
  #idempotencyKey(/** @type {string} */ content) {
    if (this.#attempt.content !== content) {
      const random = crypto.getRandomValues(new Uint8Array(16));
      const idempotencyKey = Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
      this.#attempt = { content, idempotencyKey };
    }
    return this.#attempt.idempotencyKey;
  }
}
