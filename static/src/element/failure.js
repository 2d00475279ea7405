// @ts-check
/** Says why a task failed: the cause in a word, the line of the error that names it, and the rest. Pure. */
import { foldTerminalText } from "./terminal-text.js";
import { say } from "./words.js";

/** @import { Done } from "../../relay.js" */
/** @import { WordKey } from "./words.js" */

/**
 * @typedef {object} Failure
 * @property {string} title such as `Out of memory`
 * @property {string} cause the line of the error that says what happened; empty if there is no error
 * @property {string} rest the whole error, if it has more than that line; otherwise empty
 */

/** Longer lines are cut in `cause`, and whole in `rest`. */
const CAUSE_LENGTH = 400;

const NAMES_ERROR = /\b\w*(?:error|exception)\b|\bfailed\b|\bfatal\b/i;

/** Wiro names the input that it rejects: `Request parameter [size] is invalid`. */
const NAMED_INPUT = /request (?:parameters?|files?) \[([^\]]{1,100})\]/i;

/**
 * @param {Pick<Done, "verdict"|"error">} done
 * @returns {Failure}
 */
export function failureOf({ verdict, error }) {
  const lines = foldTerminalText(error?.message ?? "")
    .split("\n")
    .map((line) => line.trimEnd())
    .filter(Boolean);
  const line = (lines.findLast((each) => NAMES_ERROR.test(each)) ?? lines.at(-1) ?? "").trim();
  const isCut = line.length > CAUSE_LENGTH;
  return {
    title: verdict === "failed" && error ? kindOf(error) : say(`state.${verdict}`),
    cause: isCut ? `${line.slice(0, CAUSE_LENGTH)}…` : line,
    rest: isCut || lines.length > 1 ? lines.join("\n") : "",
  };
}

/** Return the input that the platform rejects, if the message names it. */
export function rejectedInput(/** @type {string} */ message) {
  return NAMED_INPUT.exec(message)?.[1];
}

/** @type {Record<string, WordKey>} by the platforms' codes; those of HTTP are Apikley's */
const KINDS = {
  96: "failure.concurrency",
  97: "failure.funds",
  98: "failure.key",
  99: "failure.key",
  401: "failure.key",
  402: "failure.funds",
  422: "failure.inputs",
};

function kindOf(/** @type {NonNullable<Done["error"]>} */ { code, message }) {
  const input = rejectedInput(message);
  if (input) return say("failure.input", { input });
  if (/out of memory/i.test(message)) return say("failure.memory");
  return say(KINDS[String(code)] ?? "state.failed");
}
