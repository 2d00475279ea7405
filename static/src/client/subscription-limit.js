// @ts-check
/** The relay's limit of subscriptions per connection (`RELAY_SUBSCRIPTION_LIMIT`), which its errors name. */

/** The limit of a relay with default settings. */
export const DEFAULT_LIMIT = 200;

/** A connection reports the limit in the error of one subscription, a request in its problem response. */
const LIMIT_EXCEEDED = /\bmay have (\d+) subscriptions \(RELAY_SUBSCRIPTION_LIMIT\)/;

/**
 * Read the limit from an error's text.
 *
 * @param {string} text
 * @returns {number|null} null if the error is about something else
 */
export function limitIn(text) {
  const limit = LIMIT_EXCEEDED.exec(text)?.[1];
  return limit ? Math.max(1, Number(limit)) : null;
}

/** Return the error text for a full connection, in the relay's own words. */
export function limitMessage(/** @type {number} */ limit) {
  return `A connection may have ${limit} subscriptions (RELAY_SUBSCRIPTION_LIMIT).`;
}
