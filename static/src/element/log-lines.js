// @ts-check
/** The log as lines that keep their identity: each is known by where it begins in all that was ever written. Pure. */
import { foldTerminalText } from "./terminal-text.js";

/** @typedef {{at: number, stream: string, text: string}} Line */

/**
 * @param {readonly import("../client/types.js").Log[]} log
 * @param {number} dropped units that were cut from the front of it
 * @returns {Line[]} in order; a line that a terminal would show as overwritten has its last text
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
