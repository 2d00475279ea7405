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

/** @typedef {{events: RelayEvent[], next: number|null}} EventsPage */

/** As many as the relay allows. */
const PAGE_EVENTS = 1000;

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
  const read = (/** @type {number} */ start) => call(access, "GET", `events?after=${start}&limit=${PAGE_EVENTS}`);
  /** @type {Promise<EventsPage>|null} */
  let reading = read(after);
  while (reading) {
    /** @type {EventsPage} */
    const { events, next } = await reading;
    reading = next === null ? null : read(next); // while the caller processes these
    yield* events;
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
