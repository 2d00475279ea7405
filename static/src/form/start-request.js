// @ts-check
/** Sends the start of a task, with or without files. Repeating a start whose response was lost does not run it twice. */
import { newIdempotencyKey } from "../client/idempotency-key.js";
import { startTask } from "../client/start-call.js";

/** @import { StartBody, Started } from "../client/start-call.js" */

export class StartRequest {
  #base;
  #key;
  #onProgress;
  #attempt = { content: "", idempotencyKey: "" };

  /**
   * @param {object} options
   * @param {string} options.base
   * @param {() => string|Promise<string>} options.key returns the API key or the token
   * @param {(share: number) => void} options.onProgress called with the share of the files that has been sent
   */
  constructor({ base, key, onProgress }) {
    this.#base = base;
    this.#key = key;
    this.#onProgress = onProgress;
  }

  /**
   * @param {StartBody} body
   * @param {{part: string, file: File}[]} attachments
   * @returns {Promise<Started>}
   */
  async send(body, attachments) {
    const files = attachments.map(({ part, file }) => [part, file.name, file.size, file.lastModified]);
    const started = await startTask(body, {
      base: this.#base,
      token: await this.#key(),
      idempotencyKey: this.#idempotencyKey(JSON.stringify([body, files])),
      attachments,
      onUploadProgress: this.#onProgress,
    });
    this.#attempt = { content: "", idempotencyKey: "" };
    return started;
  }

  /** The same content has the same key until it was started, so that no billable run is started twice. */
  #idempotencyKey(/** @type {string} */ content) {
    if (this.#attempt.content !== content) {
      this.#attempt = { content, idempotencyKey: newIdempotencyKey() };
    }
    return this.#attempt.idempotencyKey;
  }
}
