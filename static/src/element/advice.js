// @ts-check
/** Suggests what to do about a task that did not succeed. Pure. */
import { say } from "./words.js";

/** @import { Done } from "../../relay.js" */

/** Wiro names the input that it rejects: `Request parameter [size] is invalid`. */
const NAMED_INPUT = /request (?:parameters?|files?) \[([^\]]{1,100})\]/i;

/**
 * @param {Done} done
 * @returns {string} a sentence; empty if there is nothing to do
 */
export function adviceFor({ verdict, error, billed }) {
  switch (verdict) {
    case "succeeded":
      return "";
    case "canceled":
      return say("advice.canceled");
    case "lost":
      return say("advice.lost");
    case "failed":
      return adviceForError(String(error?.code ?? ""), error?.message ?? "", billed);
  }
}

/**
 * @param {string} code
 * @param {string} message
 * @param {boolean|null} billed
 */
function adviceForError(code, message, billed) {
  const input = NAMED_INPUT.exec(message)?.[1];
  if (input) return say("advice.input", { input });
  switch (code) {
    case "96":
      return say("advice.concurrency");
    case "97":
    case "402":
      return say("advice.funds");
    case "98":
    case "99":
    case "401":
      return say("advice.key");
    case "422":
      return say("advice.inputs");
  }
  if (/out of memory/i.test(message)) return say("advice.memory");
  return say(billed === false ? "advice.free" : "advice.log");
}
