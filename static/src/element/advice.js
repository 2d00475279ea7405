// @ts-check
/** Suggests what to do about a task that did not succeed. Pure. */

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
      return "It was canceled on request. Start it again if that was a mistake.";
    case "lost":
      return "The outcome is unknown. Check the task on the platform before you start it again: it may have been billed.";
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
  if (input) return `Change the input “${input}” and start it again.`;
  switch (code) {
    case "96":
      return "The account has reached its limit of concurrent tasks. Wait for one to end, then start it again.";
    case "97":
    case "402":
      return "The account has insufficient funds. Top it up on the platform, then start it again.";
    case "98":
    case "99":
    case "401":
      return "The platform rejected the relay's key. The operator of the relay has to check its settings.";
    case "422":
      return "The platform rejected these inputs. Change them and start it again.";
  }
  if (/out of memory/i.test(message)) return "The model ran out of memory. A smaller size or fewer images may help.";
  return billed === false
    ? "It was not billed. You can start it again at no extra cost."
    : "See the log below for the model's last output.";
}
