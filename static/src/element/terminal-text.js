// @ts-check
/** What a terminal would show of a text: carriage returns overwrite their line, escape sequences are gone. Pure. */

// Colours, cursor movements and titles (ECMA-48 CSI and OSC), and the control characters that are no line end or tab.
// biome-ignore lint/suspicious/noControlCharactersInRegex: terminal output consists of them
const ESCAPES = /\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-_]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/g;

/**
 * Progress bars such as tqdm's write the same line again and again behind a carriage return: only the last one counts.
 *
 * @param {string} text
 * @returns {string}
 */
export function foldTerminalText(text) {
  return text.replace(ESCAPES, "").split("\n").map(lastWritten).join("\n");
}

function lastWritten(/** @type {string} */ line) {
  const written = line.replace(/\r+$/, ""); // CRLF, or a bar that waits to be overwritten
  return written.slice(written.lastIndexOf("\r") + 1);
}
