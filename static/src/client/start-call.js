// @ts-check
/** Starts a task, with or without files, in one request. */
import { baseUrl } from "./base.js";
import { callJson } from "./json-call.js";
import { startForm, upload } from "./upload.js";

/** @import { Snapshot } from "../../relay.js" */
/** @import { Attachment } from "./upload.js" */
/**
 * @typedef {object} StartBody
 * @property {string} model
 * @property {string} [provider]
 * @property {string} [title]
 * @property {readonly string[]} [tags]
 * @property {Record<string, unknown>} [metadata]
 * @property {Record<string, unknown>} input
 */
/** @typedef {{self: string, events: string, ws: string, view: string, embed: string}} Links */
/** @typedef {{task: Snapshot, token: string, links: Links}} Started */

/**
 * Start a task. Repeating the call with the same body and `idempotencyKey` does not start another one.
 *
 * @param {StartBody} body
 * @param {object} options
 * @param {string} options.base
 * @param {string} options.token a start token or an API key
 * @param {string} options.idempotencyKey
 * @param {readonly Attachment[]} [options.attachments]
 * @param {(share: number) => void} [options.onUploadProgress] called with the share of the files that has been sent
 * @param {AbortSignal} [options.signal]
 * @returns {Promise<Started>}
 * @throws {import("./problem.js").Problem}
 */
export function startTask(body, { base, token, idempotencyKey, attachments = [], onUploadProgress, signal }) {
  const url = new URL("v1/tasks", baseUrl(base));
  const headers = { "Idempotency-Key": idempotencyKey };
  const call = /** @type {const} */ ({ method: "POST", token, headers, signal });
  if (!attachments.length) return callJson(url, { ...call, body });
  const form = startForm(body, attachments);
  if (!onUploadProgress || !globalThis.XMLHttpRequest) return callJson(url, { ...call, form });
  const allHeaders = { ...headers, Accept: "application/json", Authorization: `Bearer ${token}` };
  return upload(url, form, { headers: allHeaders, onProgress: onUploadProgress, signal });
}
