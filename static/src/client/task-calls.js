// @ts-check
/** The API calls of a viewer: cancel the task, read its input, read its log. They use the viewer's token. */
import { baseUrl } from "./base.js";
import { callJson } from "./json-call.js";

/** @import { RelayEvent } from "../../relay.js" */

/**
 * @typedef {object} Access
 * @property {string} base the relay's address
 * @property {string} task
 * @property {string} token
 */

/** Request that the task be canceled. Its events report the outcome. */
export function cancelTask(/** @type {Access} */ access) {
  return call(access, "POST", "cancel");
}

/**
 * @param {Access} access
 * @returns {Promise<{input: Record<string, unknown>}>}
 */
export function readInput(access) {
  return call(access, "GET", "input");
}

/**
 * Read the task's log page by page.
 *
 * @param {Access} access
 * @param {number} after the `seq` to start after
 * @returns {AsyncGenerator<RelayEvent>}
 */
export async function* eventsAfter(access, after) {
  /** @type {number|null} */
  let next = after;
  while (next !== null) {
    const page = await call(access, "GET", `events?after=${next}&limit=500`);
    yield* page.events;
    next = page.next;
  }
}

/**
 * @param {Access} access
 * @param {string} method
 * @param {string} name
 */
function call({ base, task, token }, method, name) {
  const url = new URL(`v1/tasks/${encodeURIComponent(task)}/${name}`, baseUrl(base));
  return callJson(url, { method, token, credentials: "omit" });
}
