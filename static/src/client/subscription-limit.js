// @ts-check
/** How many subscriptions a relay takes at once (`RELAY_SUBSCRIPTION_LIMIT`), and how it says that these are too many. */

/** What a relay takes whose operator has set nothing else. */
export const DEFAULT_ROOM = 200;

/** A connection says it in the error of one subscription, a request in the problem that refuses it. */
const TOO_MANY = /\bone (?:connection|request) may (?:follow|have) (\d+)\b/i;

/**
 * @param {string} words
 * @returns {number|null} how many the relay takes; null where the words are about something else
 */
export function roomOf(words) {
  const room = TOO_MANY.exec(words)?.[1];
  return room ? Math.max(1, Number(room)) : null;
}

/** Say of a connection that it is full, as the relay does. */
export function fullWords(/** @type {number} */ room) {
  return `One connection may have ${room} subscriptions.`;
}
