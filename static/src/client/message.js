// @ts-check
/** What the relay says, as text and as a value; and the place in a log that it stands for. */

/** @typedef {import("./types.js").Message} Message */

/**
 * Read one message; null is none of ours.
 *
 * @param {string} text
 * @returns {Message|null}
 */
export function parse(text) {
  try {
    const message = JSON.parse(text);
    return typeof message?.type === "string" ? message : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** The place in a task's log that `state` stands for, as the server wants to hear it. */
export function cursorOf(/** @type {{epoch: string, seq: number}} */ { epoch, seq }) {
  return `${epoch}:${seq}`;
}

/**
 * The place that a cursor names; null where it names none.
 *
 * @param {string|null} cursor
 * @returns {{epoch: string, seq: number}|null}
 */
export function placeOf(cursor) {
  const [, epoch, seq] = /^(.+):(\d+)$/.exec(cursor ?? "") ?? [];
  return epoch ? { epoch, seq: Number(seq) } : null;
}

/**
 * The cursor from which all go on who are at `cursors`: the earliest, as each of them drops what it has already. Null,
 * for the whole state, where one has none, or where they are of different epochs.
 *
 * @param {readonly (string|null)[]} cursors at least one
 * @returns {string|null}
 */
export function earliest(cursors) {
  const places = cursors.map(placeOf);
  const [first] = places;
  let found = first;
  for (const place of places) {
    if (!found || !place || place.epoch !== found.epoch) return null;
    if (place.seq < found.seq) found = place;
  }
  return found && cursorOf(found);
}
