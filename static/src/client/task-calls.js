// @ts-check
/**
 * The calls that a viewer may make beside following a task: stop it, read its input. With the viewer's token, from any
 * page that the relay allows.
 *
 * @typedef {object} Access
 * @property {string} base where the relay is
 * @property {string} task
 * @property {string} token
 */
import { baseUrl } from "./base.js";
import { Problem, readProblem } from "./problem.js";

/** Ask for the task to be stopped; what comes of it is told by its events. */
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
 * The task's log, page by page.
 *
 * @param {Access} access
 * @param {number} after a seq
 * @returns {AsyncGenerator<import("./types.js").RelayEvent>}
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
async function call({ base, task, token }, method, name) {
  const url = new URL(`v1/tasks/${encodeURIComponent(task)}/${name}`, baseUrl(base));
  const headers = { Accept: "application/json", Authorization: `Bearer ${token}` };
  /** @type {Response} */
  let response;
  try {
    response = await fetch(url, { method, headers, cache: "no-store", credentials: "omit" });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // what fetch throws at a lost network
    throw new Problem(0, "The relay cannot be reached");
  }
  if (!response.ok) throw await readProblem(response);
  return response.json();
}
