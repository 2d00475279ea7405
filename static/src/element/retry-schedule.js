// @ts-check
/** When to load a file again that failed, and from which address. Pure. */

/** Seconds to wait after each failure: within a minute, since a CDN may serve a file some seconds late. */
export const RETRY_DELAYS_S = [1, 2, 4, 8, 8, 8, 8, 8, 8, 5];

/**
 * Return the address for an attempt.
 *
 * A browser may keep a 404 for as long as its headers allow and answer every further request from its cache. A query
 * parameter makes it another request. An address that has a query stays as it is, because a signature may cover the
 * query; one without alternates between both forms, in case the server rejects what it does not know.
 *
 * @param {string} url
 * @param {number} failures how many attempts have failed before
 */
export function addressOfAttempt(url, failures) {
  const parsed = new URL(url);
  if (failures % 2 || failures === 0 || parsed.search || !parsed.protocol.startsWith("http")) return url;
  parsed.searchParams.set("retry", String(failures));
  return parsed.href;
}

/** Whether loading `url` again can end differently: the bytes of `data:` and `blob:` addresses never change. */
export function canRetry(/** @type {string} */ url) {
  return /^https?:/i.test(url);
}
