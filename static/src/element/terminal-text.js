// @ts-check
/** Converts output to the text a terminal would show: carriage returns overwrite, escape sequences vanish. Pure. */

// Colors, cursor movements and titles (ECMA-48 CSI and OSC), and control characters except line ends and tabs.
// biome-ignore lint/suspicious/noControlCharactersInRegex: terminal output consists of them
const ESCAPES = /\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-_]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/g;

/**
 * Progress bars such as tqdm's write a line repeatedly, separated by carriage returns. Only the last one is kept.
 *
 * @param {string} text
 * @returns {string}
 */
export function foldTerminalText(text) {
  return text.replace(ESCAPES, "").split("\n").map(lastWritten).join("\n");
}

function lastWritten(/** @type {string} */ line) {
  const written = line.replace(/\r+$/, ""); // a CRLF, or a bar that will be overwritten next
  return written.slice(written.lastIndexOf("\r") + 1);
}
