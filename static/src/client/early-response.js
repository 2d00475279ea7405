// @ts-check
/** Takes over the request for a task's state that the relay's own pages send while their script loads (`early.js`). */

/**
 * @typedef {object} EarlyRequest
 * @property {string} url
 * @property {string} token
 * @property {Promise<Response>} response
 * @property {AbortController} aborter
 */

/**
 * Return the response to a request that the page has already sent; null if it has not sent this one. Each response can
 * be taken once.
 *
 * @param {URL} url
 * @param {string} token
 * @param {AbortSignal} signal aborts the request
 * @returns {Promise<Response>|null}
 */
export function takeEarlyResponse(url, token, signal) {
  const scope = /** @type {{relayEarly?: EarlyRequest}} */ (globalThis);
  const early = scope.relayEarly;
  if (early?.url !== url.href || early.token !== token) return null;
  delete scope.relayEarly;
  signal.addEventListener("abort", () => early.aborter.abort(), { once: true });
  return early.response;
}
