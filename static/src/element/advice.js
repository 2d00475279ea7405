// @ts-check
/** Suggests what to do about a task that did not succeed. Pure. */
import { rejectedInput } from "./failure.js";
import { say } from "./words.js";

/** @import { Done } from "../../relay.js" */

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
 * Suggest what to do about an error of a platform.
 *
 * @param {string} code
 * @param {string} message
 * @param {boolean|null} billed
 */
export function adviceForError(code, message, billed) {
  const input = rejectedInput(message);
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
