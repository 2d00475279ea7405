// @ts-check
/** Decides when to retry loading a file, and from which address. Pure. */

/** Seconds to wait after each failure, one minute in total: a CDN may serve a new file a few seconds late. */
export const RETRY_DELAYS_S = [1, 2, 4, 8, 8, 8, 8, 8, 8, 5];

/**
 * Return the address for an attempt.
 *
 * A browser may cache a 404 response. A query parameter bypasses the cache, so every second retry adds one; the others
 * do not, in case the server rejects unknown parameters. An address with a query is never changed, because a signature
 * may cover it.
 *
 * @param {string} url
 * @param {number} failures how many attempts have failed
 */
export function addressOfAttempt(url, failures) {
  const parsed = new URL(url);
  if (failures % 2 || failures === 0 || parsed.search || !parsed.protocol.startsWith("http")) return url;
  parsed.searchParams.set("retry", String(failures));
  return parsed.href;
}

/** Return whether a retry can succeed. The content of `data:` and `blob:` addresses never changes. */
export function canRetry(/** @type {string} */ url) {
  return /^https?:/i.test(url);
}
