// @ts-check
/** How many subscriptions a relay takes at once (`RELAY_SUBSCRIPTION_LIMIT`), and how it says that these are too many. */

/** What a relay takes whose operator has set nothing else. */
export const DEFAULT_ROOM = 200;

/** Of a connection: the error of one subscription. Of a request: the problem that refuses it. */
const TOO_MANY = /\bOne connection may follow (\d+)\b|\bone request may have (\d+)\b/;

/**
 * @param {string} words
 * @returns {number|null} how many the relay takes; null where the words are about something else
 */
export function roomOf(words) {
  const [, connection, request] = TOO_MANY.exec(words) ?? [];
  return connection || request ? Math.max(1, Number(connection ?? request)) : null;
}

/** Say in the relay's own words that a connection is full. */
export function fullWords(/** @type {number} */ room) {
  return `One connection may follow ${room} tasks and tags.`;
}
