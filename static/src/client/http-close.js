// @ts-check
/** What an HTTP answer that is not ok means for a client that wants to come back. */
import { readProblem } from "./problem.js";

/** @typedef {import("./types.js").Ending} Ending */

/** @type {Record<number, import("./types.js").FaultCode>} */
const FAULTS = { 401: "unauthorized", 403: "forbidden" };

/** Not even an answer. @type {Ending} */
export const UNREACHED = { kind: "again", reason: "the relay cannot be reached", reached: false };

/**
 * A client does not come back after 401 and 403. After any other answer it does, no sooner than `Retry-After` allows:
 * what is not known of a single task is said in a message, so even 404 comes from something between page and relay.
 *
 * @param {Response} response
 * @returns {Promise<Ending>}
 */
export async function endingOf(response) {
  const problem = await readProblem(response);
  const code = FAULTS[response.status];
  if (code && problem.code) return { kind: "refused", reason: problem.message, code };
  return { kind: "again", reason: problem.message, reached: problem.code !== "", retry_s: problem.retry_s };
}

/**
 * Say of each subscription of a request what the relay said of their token.
 *
 * @param {readonly import("./types.js").Entry[]} entries
 * @param {import("./types.js").Refused} ending
 * @param {(message: import("./types.js").Message, token: string) => void} hear
 */
export function refuse(entries, { code, reason }, hear) {
  for (const { aim, token } of entries) hear({ type: "error", ...aim, code, detail: reason }, token);
}
