// @ts-check
/** What an HTTP answer that is not ok means for who wants to come back. */
import { readProblem } from "./problem.js";

/** @typedef {import("./types.js").Ending} Ending */

/** @type {Record<number, import("./types.js").FaultCode>} */
const FAULTS = { 401: "unauthorized", 403: "forbidden", 404: "not_found" };

/** Not even an answer. @type {Ending} */
export const UNREACHED = { kind: "again", reason: "the relay cannot be reached", reached: false };

/**
 * 401, 403 and 404 do not come back; all others do, no sooner than `Retry-After` allows.
 *
 * @param {Response} response
 * @returns {Promise<Ending>}
 */
export async function endingOf(response) {
  const problem = await readProblem(response);
  const code = FAULTS[response.status];
  if (code) return { kind: "refused", reason: problem.message, code };
  return { kind: "again", reason: problem.message, reached: true, retry_s: problem.retry_s };
}
