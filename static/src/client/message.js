// @ts-check
/** Parses messages, and formats and parses cursors. */

/** @import { Message } from "../../relay.js" */
/** @typedef {{epoch: string, seq: number}} Position a position in a task's log */

/**
 * Parse one message.
 *
 * @param {string} text
 * @returns {Message|null} null if the text is not a message
 */
export function parseMessage(text) {
  try {
    const message = JSON.parse(text);
    return typeof message?.type === "string" ? message : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Format a position as the cursor that the server expects. */
export function formatCursor(/** @type {Position} */ { epoch, seq }) {
  return `${epoch}:${seq}`;
}

/**
 * Parse a cursor.
 *
 * @param {string|null} cursor
 * @returns {Position|null} null if it is invalid
 */
export function parseCursor(cursor) {
  const [, epoch, seq] = /^(.+):(\d+)$/.exec(cursor ?? "") ?? [];
  return epoch ? { epoch, seq: Number(seq) } : null;
}

/**
 * Return the earliest of several cursors, from which all their owners can resume: each ignores what it already has.
 *
 * @param {readonly (string|null)[]} cursors at least one
 * @returns {string|null} null, which asks for the whole state, if one is missing or their epochs differ
 */
export function earliestCursor(cursors) {
  const positions = cursors.map(parseCursor);
  const [first] = positions;
  let earliest = first;
  for (const position of positions) {
    if (!earliest || position?.epoch !== earliest.epoch) return null;
    if (position.seq < earliest.seq) earliest = position;
  }
  return earliest && formatCursor(earliest);
}
