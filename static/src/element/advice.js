// @ts-check
/** What to do about a task that did not succeed. Pure. */

/** Wiro names the input that it refuses: `Request parameter [size] is invalid`. */
const NAMED_INPUT = /request (?:parameters?|files?) \[([^\]]{1,100})\]/i;

/**
 * @param {import("../client/types.js").Done} done
 * @returns {string} a sentence; empty where there is nothing to do
 */
export function adviceFor({ verdict, error, billed }) {
  switch (verdict) {
    case "succeeded":
      return "";
    case "canceled":
      return "It was stopped on request. Start it again if that was a mistake.";
    case "lost":
      return "Nobody knows how it ended. Look it up at the platform before starting it again: it may have been billed.";
    case "failed":
      return failed(String(error?.code ?? ""), error?.message ?? "", billed);
  }
}

/**
 * @param {string} code
 * @param {string} message
 * @param {boolean|null} billed
 */
function failed(code, message, billed) {
  const field = NAMED_INPUT.exec(message)?.[1];
  if (field) return `Change the input “${field}” and start it again.`;
  if (code === "96")
    return "The account runs as many tasks as it may. Wait for one of them to end, then start it again.";
  if (code === "97" || code === "402")
    return "The account has no funds left. Top it up at the platform, then start it again.";
  if (code === "98" || code === "99" || code === "401")
    return "The platform refused the relay's key: whoever runs the relay has to look at its settings.";
  if (code === "422") return "The platform does not take these inputs. Change them and start it again.";
  if (/out of memory/i.test(message)) return "The model ran out of memory. A smaller size or fewer images may help.";
  return billed === false
    ? "Nothing was billed: it costs nothing to start it again."
    : "The log below has the model's last words.";
}
