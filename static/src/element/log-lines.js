// @ts-check
/** Splits a log into lines. Each is identified by its offset in everything that was ever written. Pure. */
import { foldTerminalText } from "./terminal-text.js";

/** @import { Log } from "../../relay.js" */
/** @typedef {{at: number, stream: string, text: string}} Line `at` is an offset in UTF-16 units */

/**
 * @param {readonly Log[]} log
 * @param {number} dropped UTF-16 units that were cut from its front
 * @returns {Line[]} in order; a line that a terminal would overwrite has its last text
 */
export function linesOf(log, dropped) {
  /** @type {Line[]} */
  const lines = [];
  let at = dropped;
  for (const { stream, text } of log) {
    for (let start = 0; start < text.length; ) {
      const newline = text.indexOf("\n", start);
      const end = newline < 0 ? text.length : newline;
      lines.push({ at: at + start, stream, text: foldTerminalText(text.slice(start, end)) });
      start = end + 1;
    }
    at += text.length;
  }
  return lines;
}
