// @ts-check
/** Decides from a failed HTTP response whether to reconnect. */
import { readProblem } from "./problem.js";

/** @import { FaultCode, Message } from "../../relay.js" */
/** @import { CloseReason, Refusal, SubscribeRequest } from "./wire-types.js" */

/** @type {Record<number, FaultCode>} */
const FAULTS = { 401: "unauthorized", 403: "forbidden" };

/** There was no response. @type {CloseReason} */
export const UNREACHABLE = { kind: "retry", reason: "the relay cannot be reached", reached: false };

/**
 * Return why a request failed. 401 and 403 are final. Every other status is retried, no sooner than `Retry-After`
 * allows: errors about a single task come as messages, so that even a 404 is from something between page and relay.
 *
 * @param {Response} response
 * @returns {Promise<CloseReason>}
 */
export async function httpCloseReason(response) {
  const problem = await readProblem(response);
  const code = FAULTS[response.status];
  if (code && problem.code) return { kind: "refused", reason: problem.message, code };
  return { kind: "retry", reason: problem.message, reached: problem.code !== "", retry_s: problem.retry_s };
}

/**
 * Report a refusal of the whole request as an `error` message for each of its subscriptions.
 *
 * @param {readonly SubscribeRequest[]} requests
 * @param {Refusal} refusal
 * @param {(message: Message, token: string) => void} onMessage
 */
export function refuseEach(requests, { code, reason }, onMessage) {
  for (const { topic, token } of requests) onMessage({ type: "error", ...topic, code, detail: reason }, token);
}
